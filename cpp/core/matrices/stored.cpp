// B as numbers in memory: drawn (uniform, normal, orthogonal) or the caller's own. The kinds that can
// learn.
#include "core/matrices/stored.h"
#include "core/machine/isa.h"
#include "core/matrices/feedback.h"

namespace fastfa {
namespace {

// Rows or columns, whichever are fewer, are orthogonal; elements have standard deviation `scale`. Haar:
// Q of a normal matrix with R's diagonal positive.
std::vector<double> draw_orthogonal(const MatrixPlan& plan) {
  const bool tall = plan.n_l >= plan.n_source;
  const Index rows = tall ? plan.n_l : plan.n_source, cols = tall ? plan.n_source : plan.n_l;
  std::vector<double> q(static_cast<std::size_t>(rows * cols));
  const auto place = [&](Index i) {
    const Index r = i / plan.n_source, c = i % plan.n_source;
    return static_cast<std::size_t>(tall ? i : c * cols + r);
  };
  draw_normal(plan.seed, Purpose::feedback, plan.layer, rows * cols, 1.0,
              [&](Index i, double value) { q[place(i)] = value; });
  kernels().linear_algebra.orthonormalise(q.data(), rows, cols);
  std::vector<double> b(q.size());
  const double scale = plan.scale * std::sqrt(static_cast<double>(rows));
  for (Index i = 0; i < rows * cols; ++i) b[static_cast<std::size_t>(i)] = scale * q[place(i)];
  return b;
}

}  // namespace

template <class T>
MadeMatrix<T> make_stored(const MatrixPlan& plan) {
  Buffer<T> b(plan.place, plan.n_source, plan.n_l);
  const Index count = plan.n_l * plan.n_source;
  // Element i of the public, row-major B (n_l, n_source), to its place in Bᵀ.
  const auto put = [&](Index i, double value) {
    b.row(i % plan.n_source)[i / plan.n_source] = static_cast<T>(value);
  };
  if (plan.spec.matrix == Matrix::uniform) {
    draw_uniform(plan.seed, Purpose::feedback, plan.layer, count, plan.scale, put);
  } else if (plan.spec.matrix == Matrix::normal) {
    draw_normal(plan.seed, Purpose::feedback, plan.layer, count, plan.scale, put);
  } else {
    const bool given = plan.spec.matrix == Matrix::array;
    const std::vector<double> drawn = given ? std::vector<double>() : draw_orthogonal(plan);
    const std::vector<double>& values = given ? plan.spec.values : drawn;
    for (Index i = 0; i < count; ++i) put(i, values[static_cast<std::size_t>(i)]);
  }
  return std::make_unique<StoredMatrix<T>>(std::move(b));
}
template MadeMatrix<float> make_stored<float>(const MatrixPlan&);
template MadeMatrix<double> make_stored<double>(const MatrixPlan&);

}  // namespace fastfa

// B as numbers in memory: drawn (uniform, normal, orthogonal) or the caller's own. The kinds that can
// learn.
#include "core/matrices/stored.h"
#include "core/machine/isa.h"
#include "core/matrices/feedback.h"

namespace fastfa {
namespace {

// Rows or columns, whichever are fewer, are orthogonal; elements have standard deviation `scale`. Haar:
// Q of a normal matrix with R's diagonal positive.
std::vector<double> draw_orthogonal(const MatrixRequest& request) {
  const bool tall = request.n_l >= request.n_source;
  const Index rows = tall ? request.n_l : request.n_source, cols = tall ? request.n_source : request.n_l;
  std::vector<double> q(static_cast<std::size_t>(rows * cols));
  const auto place = [&](Index i) {
    const Index r = i / request.n_source, c = i % request.n_source;
    return static_cast<std::size_t>(tall ? i : c * cols + r);
  };
  draw_normal(request.seed, Purpose::feedback, request.layer, rows * cols, 1.0,
              [&](Index i, double value) { q[place(i)] = value; });
  kernels().linear_algebra.orthonormalise(q.data(), rows, cols);
  std::vector<double> b(q.size());
  const double scale = request.scale * std::sqrt(static_cast<double>(rows));
  for (Index i = 0; i < rows * cols; ++i) b[static_cast<std::size_t>(i)] = scale * q[place(i)];
  return b;
}

}  // namespace

template <class T>
MadeMatrix<T> make_stored(const MatrixRequest& request) {
  Buffer<T> b(request.allocator, request.n_source, request.n_l);
  const Index count = request.n_l * request.n_source;
  // Element i of the public, row-major B (n_l, n_source), to its place in Bᵀ.
  const auto put = [&](Index i, double value) {
    b.row(i % request.n_source)[i / request.n_source] = static_cast<T>(value);
  };
  if (request.spec.matrix == Matrix::uniform) {
    draw_uniform(request.seed, Purpose::feedback, request.layer, count, request.scale, put);
  } else if (request.spec.matrix == Matrix::normal) {
    draw_normal(request.seed, Purpose::feedback, request.layer, count, request.scale, put);
  } else {
    const bool given = request.spec.matrix == Matrix::array;
    const std::vector<double> drawn = given ? std::vector<double>() : draw_orthogonal(request);
    const std::vector<double>& values = given ? request.spec.values : drawn;
    for (Index i = 0; i < count; ++i) put(i, values[static_cast<std::size_t>(i)]);
  }
  return std::make_unique<StoredMatrix<T>>(std::move(b));
}
template MadeMatrix<float> make_stored<float>(const MatrixRequest&);
template MadeMatrix<double> make_stored<double>(const MatrixRequest&);

}  // namespace fastfa

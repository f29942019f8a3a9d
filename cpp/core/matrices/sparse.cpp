// A share `density` of a uniform matrix, the rest zero (the paper removes half of B). Kept by rows below
// a density at which multiplying by the zeros is no slower.
#include "core/matrices/feedback.h"
#include "core/matrices/stored.h"

namespace fastfa {
namespace {

constexpr double dense_from = 0.2;

// As they grow: elements come row by row.
template <class T>
struct Rows {
  std::vector<Index> start{0};
  std::vector<std::int32_t> column;
  std::vector<T> value;

  void add(Index row, Index at, double element) {
    end(row);
    column.push_back(static_cast<std::int32_t>(at));
    value.push_back(static_cast<T>(element));
  }
  // Rows before `row` are complete.
  void end(Index row) {
    while (static_cast<Index>(start.size()) <= row) start.push_back(static_cast<Index>(value.size()));
  }
};

template <class T>
class SparseMatrix final : public FeedbackMatrix<T> {
 public:
  SparseMatrix(Place& place, Index n_source, const Rows<T>& rows)
      : n_source_(n_source),
        start_(place, rows.start),
        column_(place, rows.column),
        value_(place, rows.value) {}

  void propagate(const Carry<T>& carry, const Scene<T>& scene) override {
    if (carry.n > 1) {
      if (across_.cols() < carry.n) across_ = Buffer<T>(scene.backend, n_source_, carry.n);
      scene.backend.transpose(
          {carry.source, carry.lds, carry.n, n_source_, across_.data(), across_.ld()});
    }
    scene.backend.propagate(PropagateSparse<T>{carry, start_.data(), column_.data(), value_.data(),
                                               across_.data(), across_.ld()});
  }
  std::int64_t bytes() const override {
    return start_.cols() * Index{sizeof(Index)} + column_.cols() * Index{sizeof(std::int32_t)} +
           value_.cols() * Index{sizeof(T)};
  }

 private:
  Index n_source_;
  Buffer<Index> start_;
  Buffer<std::int32_t> column_;
  Buffer<T> value_;
  Buffer<T> across_;  // the batch's source, transposed
};

}  // namespace

template <class T>
MadeMatrix<T> make_sparse(const MatrixPlan& plan) {
  const Index n_l = plan.n_l, n_source = plan.n_source;
  const double density = plan.spec.density;
  UnitStream unit(plan.seed, Purpose::structure, plan.layer);
  const auto each_kept = [&](auto&& keep) {
    draw_uniform(plan.seed, Purpose::feedback, plan.layer, n_l * n_source, plan.scale,
                 [&](Index i, double value) {
                   if (unit(i) < density) keep(i / n_source, i % n_source, value);
                 });
  };
  if (density > dense_from) {
    Buffer<T> b(plan.place, n_source, n_l);
    each_kept([&](Index j, Index k, double value) { b.row(k)[j] = static_cast<T>(value); });
    return std::make_unique<StoredMatrix<T>>(std::move(b));
  }
  Rows<T> rows;
  each_kept([&](Index j, Index k, double value) { rows.add(j, k, value); });
  rows.end(n_l);
  return std::make_unique<SparseMatrix<T>>(plan.place, n_source, rows);
}
template MadeMatrix<float> make_sparse<float>(const MatrixPlan&);
template MadeMatrix<double> make_sparse<double>(const MatrixPlan&);

}  // namespace fastfa

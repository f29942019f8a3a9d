// A share `density` of a uniform matrix, the rest zero (the paper removes half of B). Kept by rows below
// a density at which multiplying by the zeros is no slower.
#include "core/feedback.h"
#include "core/matrices/stored.h"

namespace fastfa {
namespace {

constexpr double dense_from = 0.2;

template <class T>
class SparseMatrix final : public FeedbackMatrix<T> {
 public:
  SparseMatrix(Index n_l, Index n_source) : n_source_(n_source), start_(1, 0) {
    start_.reserve(static_cast<std::size_t>(n_l) + 1);
  }

  // Elements come row by row.
  void add(Index row, Index column, double value) {
    end_rows(row);
    column_.push_back(static_cast<std::int32_t>(column));
    value_.push_back(static_cast<T>(value));
  }
  // Rows before `row` are complete.
  void end_rows(Index row) {
    while (static_cast<Index>(start_.size()) <= row) start_.push_back(static_cast<Index>(value_.size()));
  }

  void propagate(const Carry<T>& carry, const Scene<T>& scene) override {
    if (carry.n > 1) {
      if (across_.cols() < carry.n) across_ = Buffer<T>(n_source_, carry.n);
      scene.backend.transpose(
          {carry.source, carry.lds, carry.n, n_source_, across_.data(), across_.ld()});
    }
    scene.backend.propagate(PropagateSparse<T>{carry, start_.data(), column_.data(), value_.data(),
                                               across_.data(), across_.ld()});
  }
  std::int64_t bytes() const override {
    return static_cast<std::int64_t>(start_.size() * sizeof(Index) +
                                     column_.size() * sizeof(std::int32_t) + value_.size() * sizeof(T));
  }

 private:
  Index n_source_;
  std::vector<Index> start_;
  std::vector<std::int32_t> column_;
  std::vector<T> value_;
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
    Buffer<T> b(n_source, n_l);
    each_kept([&](Index j, Index k, double value) { b.row(k)[j] = static_cast<T>(value); });
    return std::make_unique<StoredMatrix<T>>(std::move(b));
  }
  auto sparse = std::make_unique<SparseMatrix<T>>(n_l, n_source);
  each_kept([&](Index j, Index k, double value) { sparse->add(j, k, value); });
  sparse->end_rows(n_l);
  return sparse;
}
template MadeMatrix<float> make_sparse<float>(const MatrixPlan&);
template MadeMatrix<double> make_sparse<double>(const MatrixPlan&);

}  // namespace fastfa

// A share `density` of a uniform matrix, the rest zero (the paper removes half of B). Kept by rows below
// a density at which multiplying by the zeros is no slower.
#include "core/matrices/feedback.h"
#include "core/matrices/stored.h"

namespace fastfa {
namespace {

constexpr double dense_from = 0.2;

// B while it is made: elements are added row by row.
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
  SparseMatrix(Allocator& allocator, Index n_source, const Rows<T>& rows)
      : n_source_(n_source),
        start_(allocator, rows.start),
        column_(allocator, rows.column),
        value_(allocator, rows.value) {}

  void propagate(const FeedbackProduct<T>& product, const FeedbackContext<T>& context) override {
    if (product.n > 1) {
      if (across_.cols() < product.n) across_ = Buffer<T>(context.backend, n_source_, product.n);
      context.backend.transpose({product.n, product.source, n_source_, across_});
    }
    context.backend.propagate(
        PropagateSparse<T>{product, start_.data(), column_.data(), value_.data(), across_});
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
MadeMatrix<T> make_sparse(const MatrixRequest& request) {
  const Index n_l = request.n_l, n_source = request.n_source;
  const double density = request.spec.density;
  UnitStream unit(request.seed, Purpose::structure, request.layer);
  const auto each_kept = [&](auto&& keep) {
    draw_uniform(request.seed, Purpose::feedback, request.layer, n_l * n_source, request.scale,
                 [&](Index i, double value) {
                   if (unit(i) < density) keep(i / n_source, i % n_source, value);
                 });
  };
  if (density > dense_from) {
    Buffer<T> b(request.allocator, n_source, n_l);
    each_kept([&](Index j, Index k, double value) { b.row(k)[j] = static_cast<T>(value); });
    return std::make_unique<StoredMatrix<T>>(std::move(b));
  }
  Rows<T> rows;
  each_kept([&](Index j, Index k, double value) { rows.add(j, k, value); });
  rows.end(n_l);
  return std::make_unique<SparseMatrix<T>>(request.allocator, n_source, rows);
}
template MadeMatrix<float> make_sparse<float>(const MatrixRequest&);
template MadeMatrix<double> make_sparse<double>(const MatrixRequest&);

}  // namespace fastfa

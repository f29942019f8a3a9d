// B[j, k] = ±scale: random rows and columns of a Walsh–Hadamard matrix, each column with a random sign.
// Multiplied by the fast transform, n log n.
#include <algorithm>

#include "core/matrices/feedback.h"

namespace fastfa {
namespace {

template <class T>
class HadamardMatrix final : public FeedbackMatrix<T> {
 public:
  explicit HadamardMatrix(const MatrixRequest& request) {
    while (order_ < request.n_l || order_ < request.n_source) order_ *= 2;
    row_ = places(request, request.n_l, Purpose::feedback);
    column_ = places(request, request.n_source, Purpose::structure);
    // The corner of a larger Walsh–Hadamard matrix is the smaller one; kernels want whole vectors.
    order_ = std::max(order_, Index{16});
    work_ = Buffer<T>(request.allocator, 1, max_row_chunks * padded_cols(order_));
    sign_ = Buffer<T>(request.allocator, 1, request.n_source);
    const auto scale = static_cast<T>(request.scale);
    draw_words(request.seed, Purpose::signs, request.layer, (request.n_source + 31) / 32,
               [&](Index i, std::uint32_t word) {
                 for (Index k = 32 * i; k < std::min(32 * i + 32, request.n_source); ++k) {
                   sign_.data()[k] = word >> k % 32 & 1 ? scale : -scale;
                 }
               });
  }

  void propagate(const FeedbackProduct<T>& product, const FeedbackContext<T>& context) override {
    context.backend.propagate(
        PropagateHadamard<T>{product, row_.data(), sign_.data(), column_.data(), order_, work_.data()});
  }
  std::int64_t bytes() const override {
    return (row_.cols() + column_.cols()) * Index{sizeof(std::int32_t)} +
           sign_.cols() * Index{sizeof(T)};
  }

 private:
  Buffer<std::int32_t> places(const MatrixRequest& request, Index count, Purpose purpose) const {
    std::vector<std::int64_t> all(static_cast<std::size_t>(order_));
    shuffle(all.data(), order_, request.seed, purpose, request.layer);
    Buffer<std::int32_t> some(request.allocator, 1, count);
    std::transform(all.begin(), all.begin() + count, some.data(),
                   [](std::int64_t place) { return static_cast<std::int32_t>(place); });
    return some;
  }

  Index order_ = 1;
  Buffer<std::int32_t> row_, column_;
  Buffer<T> sign_, work_;
};

}  // namespace

template <class T>
MadeMatrix<T> make_hadamard(const MatrixRequest& request) {
  return std::make_unique<HadamardMatrix<T>>(request);
}
template MadeMatrix<float> make_hadamard<float>(const MatrixRequest&);
template MadeMatrix<double> make_hadamard<double>(const MatrixRequest&);

}  // namespace fastfa

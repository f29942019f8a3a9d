// Binary feedback, ±scale in one bit each, and ternary, with a second bit for zero.
#include "core/matrices/feedback.h"

namespace fastfa {
namespace {

template <class T>
class BitMatrix final : public FeedbackMatrix<T> {
 public:
  explicit BitMatrix(const MatrixRequest& request)
      : scale_(static_cast<T>(request.scale)),
        positive_(request.allocator, 1, (request.n_l + 31) / 32 * request.n_source) {
    draw_words(request.seed, Purpose::feedback, request.layer, positive_.cols(),
               [&](Index i, std::uint32_t word) { positive_.data()[i] = word; });
    if (request.spec.matrix == Matrix::binary) return;
    kept_ = Buffer<std::uint32_t>(request.allocator, 1, positive_.cols());
    UnitStream unit(request.seed, Purpose::structure, request.layer);
    for (Index i = 0; i < request.n_l * request.n_source; ++i) {
      const Index j = i / request.n_source, k = i % request.n_source;
      if (unit(i) < request.spec.density) {
        kept_.data()[j / 32 * request.n_source + k] |= std::uint32_t{1} << j % 32;
      }
    }
  }

  void propagate(const FeedbackProduct<T>& product, const FeedbackContext<T>& context) override {
    context.backend.propagate(PropagateBits<T>{product, positive_.data(), scale_, kept_.data()});
  }
  std::int64_t bytes() const override {
    return (positive_.cols() + kept_.cols()) * Index{sizeof(std::uint32_t)};
  }

 private:
  T scale_;
  Buffer<std::uint32_t> positive_, kept_;
};

}  // namespace

template <class T>
MadeMatrix<T> make_bits(const MatrixRequest& request) {
  return std::make_unique<BitMatrix<T>>(request);
}
template MadeMatrix<float> make_bits<float>(const MatrixRequest&);
template MadeMatrix<double> make_bits<double>(const MatrixRequest&);

}  // namespace fastfa

// Feedback of the pattern of the layer that it leads through, where W of that layer isn't a full matrix:
// sign(Wᵀ) with any magnitude, or a random weight for every weight.
#include <algorithm>
#include <cmath>

#include "core/matrices/feedback.h"

namespace fastfa {
namespace {

template <class T>
class PatternedMatrix final : public FeedbackMatrix<T> {
 public:
  explicit PatternedMatrix(const MatrixRequest& request)
      : signs_(request.spec.matrix == Matrix::sign),
        redrawn_(signs_ && request.spec.magnitude == Magnitude::redrawn),
        scale_(static_cast<T>(request.scale)),
        seed_(request.seed),
        layer_(request.layer) {
    const std::unique_ptr<Pattern<T>> pattern = make_pattern<T>(request.above, request.n_l);
    b_ = pattern->make(request.allocator);
    if (signs_ && request.spec.magnitude != Magnitude::uniform) size_ = pattern->make(request.allocator);
    const Buffer<T>& drawn = signs_ ? size_ : b_;
    if (!drawn || redrawn_) return;
    pattern->draw(drawn, request.seed, Purpose::feedback, request.layer, request.scale);
    if (!signs_) return;
    T* const size = size_.data();
    std::transform(size, size + size_.rows() * size_.ld(), size,
                   [](T value) { return std::abs(value); });
  }

  void prepare(const FeedbackContext<T>& context) override {
    if (!signs_) return;
    if (redrawn_) draw_magnitudes(context, size_, scale_, seed_, layer_);
    context.backend.wait();
    for (Index r = 0; r < b_.rows(); ++r) {
      const T* w = context.above->w.row(r);
      const T* size = size_ ? size_.row(r) : nullptr;
      T* b = b_.row(r);
      for (Index i = 0; i < b_.cols(); ++i) {
        const T magnitude = size ? size[i] : scale_;
        b[i] = w[i] > 0 ? magnitude : w[i] < 0 ? -magnitude : T(0);
      }
    }
  }

  void propagate(const FeedbackProduct<T>& product, const FeedbackContext<T>& context) override {
    context.above->pattern->send_back(context.backend, product, b_);
  }
  Buffer<T> learned() const override { return signs_ ? Buffer<T>() : b_; }
  std::int64_t bytes() const override { return signs_ ? size_.bytes() : b_.bytes(); }

 private:
  bool signs_, redrawn_;
  T scale_;
  std::uint64_t seed_;
  std::uint32_t layer_;
  Buffer<T> b_, size_;  // laid out as the weights; magnitudes are empty where all are `scale`
};

}  // namespace

template <class T>
MadeMatrix<T> make_patterned(const MatrixRequest& request) {
  return std::make_unique<PatternedMatrix<T>>(request);
}
template MadeMatrix<float> make_patterned<float>(const MatrixRequest&);
template MadeMatrix<double> make_patterned<double>(const MatrixRequest&);

}  // namespace fastfa

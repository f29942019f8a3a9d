// B = Wᵀ of the layer above, at every moment: backprop.
#include "core/matrices/feedback.h"

namespace fastfa {
namespace {

template <class T>
class TransposeMatrix final : public FeedbackMatrix<T> {
 public:
  void propagate(const FeedbackProduct<T>& product, const FeedbackContext<T>& context) override {
    context.above->derive(context.backend, product);
  }
  std::int64_t bytes() const override { return 0; }
};

}  // namespace

template <class T>
MadeMatrix<T> make_transpose(const MatrixRequest&) {
  return std::make_unique<TransposeMatrix<T>>();
}
template MadeMatrix<float> make_transpose<float>(const MatrixRequest&);
template MadeMatrix<double> make_transpose<double>(const MatrixRequest&);

}  // namespace fastfa

// B = W⁺, the Moore–Penrose inverse of the weights above: pseudobackprop (the paper's supplement, Note
// 15).
#include <algorithm>

#include "core/machine/isa.h"
#include "core/matrices/feedback.h"

namespace fastfa {
namespace {

template <class T>
class PseudoinverseMatrix final : public FeedbackMatrix<T> {
 public:
  explicit PseudoinverseMatrix(const MatrixRequest& request)
      : refresh_(request.spec.refresh),
        b_(request.allocator, request.n_source, request.n_l),
        w_(static_cast<std::size_t>(request.n_source * request.n_l)),
        inverse_(w_.size()) {}

  // With refresh 1 always: the weights may have been written to since the last step.
  void prepare(const FeedbackContext<T>& context) override {
    if (refresh_ > 1 && made_at_ >= 0 && context.step - made_at_ < refresh_) return;
    made_at_ = context.step;
    context.backend.wait();
    const Index n_source = b_.rows(), n_l = b_.cols();
    // W is stored as Wᵀ (n_l, n_source), whose inverse is Bᵀ.
    for (Index j = 0; j < n_l; ++j) {
      std::copy_n(context.w[j], n_source, w_.data() + j * n_source);
    }
    kernels().linear_algebra.pseudoinverse(w_.data(), n_l, n_source, inverse_.data());
    for (Index k = 0; k < n_source; ++k) {
      for (Index j = 0; j < n_l; ++j) {
        b_.row(k)[j] = static_cast<T>(inverse_[static_cast<std::size_t>(k * n_l + j)]);
      }
    }
  }
  void forget() override { made_at_ = -1; }
  Buffer<T> kept() const override { return refresh_ > 1 && made_at_ >= 0 ? b_ : Buffer<T>(); }
  Index* kept_since() override { return refresh_ > 1 ? &made_at_ : nullptr; }
  void propagate(const FeedbackProduct<T>& product, const FeedbackContext<T>& context) override {
    context.backend.propagate(Propagate<T>{product, b_, 0});
  }
  std::int64_t bytes() const override { return b_.bytes(); }

 private:
  Index refresh_, made_at_ = -1;
  Buffer<T> b_;  // Bᵀ
  std::vector<double> w_, inverse_;
};

}  // namespace

template <class T>
MadeMatrix<T> make_pseudoinverse(const MatrixRequest& request) {
  return std::make_unique<PseudoinverseMatrix<T>>(request);
}
template MadeMatrix<float> make_pseudoinverse<float>(const MatrixRequest&);
template MadeMatrix<double> make_pseudoinverse<double>(const MatrixRequest&);

}  // namespace fastfa

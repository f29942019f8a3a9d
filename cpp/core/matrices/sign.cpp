// Sign-symmetric feedback (Liao, Leibo & Poggio 2016): B = |B| ∘ sign(Wᵀ), with one magnitude for all
// (uSF), magnitudes drawn once (frSF), or anew for every batch (brSF), or the caller's own.
#include "core/matrices/feedback.h"

namespace fastfa {
namespace {

template <class T>
class SignMatrix final : public FeedbackMatrix<T> {
 public:
  explicit SignMatrix(const MatrixRequest& request)
      : scale_(static_cast<T>(request.scale)),
        seed_(request.seed),
        layer_(request.layer),
        redrawn_(request.spec.magnitude == Magnitude::redrawn) {
    if (request.spec.magnitude == Magnitude::uniform) return;
    magnitude_ =
        Buffer<T>(request.allocator, request.n_l, request.n_source);  // laid out as the weights are
    if (redrawn_) return;
    const auto put = [&](Index i, double value) {
      magnitude_.row(i / request.n_source)[i % request.n_source] = static_cast<T>(std::abs(value));
    };
    const Index count = request.n_l * request.n_source;
    if (request.spec.magnitude == Magnitude::array) {
      for (Index i = 0; i < count; ++i) put(i, request.spec.values[static_cast<std::size_t>(i)]);
    } else {
      draw_uniform(request.seed, Purpose::feedback, request.layer, count, request.scale, put);
    }
  }

  void prepare(const FeedbackContext<T>& context) override {
    if (redrawn_) draw_magnitudes(context, magnitude_, scale_, seed_, layer_);
  }
  void propagate(const FeedbackProduct<T>& product, const FeedbackContext<T>& context) override {
    context.backend.propagate(PropagateSign<T>{product, context.w, scale_, magnitude_});
  }
  std::int64_t bytes() const override { return magnitude_.bytes(); }

 private:
  T scale_;
  std::uint64_t seed_;
  std::uint32_t layer_;
  bool redrawn_;
  Buffer<T> magnitude_;  // empty: scale for all
};

}  // namespace

template <class T>
MadeMatrix<T> make_sign(const MatrixRequest& request) {
  return std::make_unique<SignMatrix<T>>(request);
}
template MadeMatrix<float> make_sign<float>(const MatrixRequest&);
template MadeMatrix<double> make_sign<double>(const MatrixRequest&);

}  // namespace fastfa

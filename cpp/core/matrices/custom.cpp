// Feedback that the caller computes, in double precision.
#include "core/base/doubles.h"
#include "core/machine/float_mode.h"
#include "core/matrices/feedback.h"

namespace fastfa {
namespace {

template <class T>
class CustomMatrix final : public FeedbackMatrix<T> {
 public:
  explicit CustomMatrix(Propagator propagator) : propagator_(std::move(propagator)) {}

  void propagate(const FeedbackProduct<T>& product, const FeedbackContext<T>& context) override {
    context.backend.wait();
    to_doubles(product.source, product.n, product.n_src, source_);
    delta_.resize(static_cast<std::size_t>(product.n * product.n_l));
    {
      const KeepSubnormals plain;
      propagator_(source_.data(), product.n, product.n_src, delta_.data(), product.n_l);
    }
    from_doubles(delta_, product.n, product.n_l, product.delta);  // times_slope() reports what is NaN
    context.backend.times_slope(end_of(product));
  }
  std::int64_t bytes() const override { return 0; }

 private:
  Propagator propagator_;
  std::vector<double> source_, delta_;
};

}  // namespace

template <class T>
MadeMatrix<T> make_custom(const MatrixRequest& request) {
  return std::make_unique<CustomMatrix<T>>(request.spec.propagator);
}
template MadeMatrix<float> make_custom<float>(const MatrixRequest&);
template MadeMatrix<double> make_custom<double>(const MatrixRequest&);

}  // namespace fastfa

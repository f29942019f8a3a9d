// Feedback that the caller computes, in double precision.
#include <algorithm>
#include <cmath>
#include <limits>

#include "core/machine/float_mode.h"
#include "core/matrices/feedback.h"

namespace fastfa {
namespace {

template <class T>
class CustomMatrix final : public FeedbackMatrix<T> {
 public:
  explicit CustomMatrix(Propagator propagator) : propagator_(std::move(propagator)) {}

  void propagate(const FeedbackProduct<T>& product, const FeedbackContext<T>& context) override {
    constexpr T not_a_number = std::numeric_limits<T>::quiet_NaN();  // reported by times_slope()
    context.backend.wait();
    source_.resize(static_cast<std::size_t>(product.n * product.n_src));
    delta_.resize(static_cast<std::size_t>(product.n * product.n_l));
    for (Index n = 0; n < product.n; ++n) {
      std::copy_n(product.source[n], product.n_src, source_.data() + n * product.n_src);
    }
    {
      const KeepSubnormals plain;
      propagator_(source_.data(), product.n, product.n_src, delta_.data(), product.n_l);
    }
    for (Index n = 0; n < product.n; ++n) {
      const double* from = delta_.data() + n * product.n_l;
      T* to = product.delta[n];
      for (Index j = 0; j < product.n_l; ++j) {
        to[j] = std::abs(from[j]) <= value_limit<T> ? static_cast<T>(from[j]) : not_a_number;
      }
    }
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

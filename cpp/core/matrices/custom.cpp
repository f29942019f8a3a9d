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

  void propagate(const Carry<T>& carry, const Scene<T>& scene) override {
    constexpr T not_a_number = std::numeric_limits<T>::quiet_NaN();  // reported by the gate
    scene.backend.wait();
    source_.resize(static_cast<std::size_t>(carry.n * carry.n_src));
    delta_.resize(static_cast<std::size_t>(carry.n * carry.n_l));
    for (Index n = 0; n < carry.n; ++n) {
      std::copy_n(carry.source + n * carry.lds, carry.n_src, source_.data() + n * carry.n_src);
    }
    {
      const KeepSubnormals plain;
      propagator_(source_.data(), carry.n, carry.n_src, delta_.data(), carry.n_l);
    }
    for (Index n = 0; n < carry.n; ++n) {
      const double* from = delta_.data() + n * carry.n_l;
      T* to = carry.delta + n * carry.ldd;
      for (Index j = 0; j < carry.n_l; ++j) {
        to[j] = std::abs(from[j]) <= value_limit<T> ? static_cast<T>(from[j]) : not_a_number;
      }
    }
    scene.backend.gate({carry.delta, carry.ldd, carry.n, carry.n_l, carry.h, carry.ldh, carry.activation,
                        nullptr, carry.bad});
  }
  std::int64_t bytes() const override { return 0; }

 private:
  Propagator propagator_;
  std::vector<double> source_, delta_;
};

}  // namespace

template <class T>
MadeMatrix<T> make_custom(const MatrixPlan& plan) {
  return std::make_unique<CustomMatrix<T>>(plan.spec.propagator);
}
template MadeMatrix<float> make_custom<float>(const MatrixPlan&);
template MadeMatrix<double> make_custom<double>(const MatrixPlan&);

}  // namespace fastfa

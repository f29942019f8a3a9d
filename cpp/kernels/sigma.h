// The activation functions: σ and σ′ of each, once for all who compute them. N is a number (in the core
// and on devices) or a vector of numbers (on the CPU).
#pragma once

#include <cmath>

#include "kernels/ops.h"

namespace fastfa {
namespace {

// The functions that σ consists of: here of a number, in kernels/math.h of a vector. Element is the type
// of one number.
template <class N>
struct Functions {
  using Element = N;
  FASTFA_ON_DEVICE static N exp(N a) { return std::exp(a); }
  FASTFA_ON_DEVICE static N expm1(N a) { return std::expm1(a); }
  FASTFA_ON_DEVICE static N log1pexp(N a) { return std::log1p(std::exp(a)); }
  FASTFA_ON_DEVICE static N tanh(N a) { return std::tanh(a); }
  FASTFA_ON_DEVICE static N erfc(N a) { return std::erfc(a); }
  FASTFA_ON_DEVICE static N logistic(N a) { return N(1) / (N(1) + exp(-a)); }
};
template <class N>
using Element = typename Functions<N>::Element;

// What holds of most activations.
struct Common {
  static constexpr bool rare = false;         // the CPU's kernels keep its code out of their loops
  static constexpr bool keeps_slope = false;  // σ′ isn't a function of h = σ(a): both() has the two
  template <class T>
  static constexpr bool by_number = false;  // the CPU computes σ of one number after another
};
struct Rare : Common {
  static constexpr bool rare = true;
};
struct KeepsSlope : Rare {
  static constexpr bool keeps_slope = true;
};
template <class N>
struct ValueAndSlope {
  N value, slope;
};

struct Linear : Common {
  template <class N>
  FASTFA_ON_DEVICE N value(N a) const {
    return a;
  }
  template <class N>
  FASTFA_ON_DEVICE N slope(N) const {
    return N{} + Element<N>(1);
  }
};

struct Logistic : Common {
  template <class N>
  FASTFA_ON_DEVICE N value(N a) const {
    return Functions<N>::logistic(a);
  }
  template <class N>
  FASTFA_ON_DEVICE N slope(N h) const {
    return h * (Element<N>(1) - h);
  }
};

struct Tanh : Common {
  template <class T>
  static constexpr bool by_number = sizeof(T) == 8;  // Eigen has no vectors of it
  template <class N>
  FASTFA_ON_DEVICE N value(N a) const {
    return Functions<N>::tanh(a);
  }
  template <class N>
  FASTFA_ON_DEVICE N slope(N h) const {
    return Element<N>(1) - h * h;
  }
};

struct Relu : Common {
  template <class N>
  FASTFA_ON_DEVICE N value(N a) const {
    return a > 0 ? a : N{};
  }
  template <class N>
  FASTFA_ON_DEVICE N slope(N h) const {
    return h > 0 ? N{} + Element<N>(1) : N{};
  }
};

struct LeakyRelu : Common {
  double leak;
  FASTFA_ON_DEVICE explicit LeakyRelu(double below_zero) : leak(below_zero) {}
  template <class N>
  FASTFA_ON_DEVICE N value(N a) const {
    return a > 0 ? a : a * static_cast<Element<N>>(leak);
  }
  template <class N>
  FASTFA_ON_DEVICE N slope(N h) const {
    return h > 0 ? N{} + Element<N>(1) : N{} + static_cast<Element<N>>(leak);
  }
};

struct HardTanh : Rare {
  template <class N>
  FASTFA_ON_DEVICE N value(N a) const {
    const N one = N{} + Element<N>(1), least = a > -1 ? a : -one;
    return least < 1 ? least : one;
  }
  template <class N>
  FASTFA_ON_DEVICE N slope(N h) const {
    const auto inside = (h > -1) & (h < 1);
    return inside ? N{} + Element<N>(1) : N{};
  }
};

struct Softplus : Rare {
  template <class T>
  static constexpr bool by_number = sizeof(T) == 8;  // as tanh
  template <class N>
  FASTFA_ON_DEVICE N value(N a) const {
    return (a > 0 ? a : N{}) + Functions<N>::log1pexp(a > 0 ? -a : a);
  }
  template <class N>
  FASTFA_ON_DEVICE N slope(N h) const {
    return -Functions<N>::expm1(-h);
  }
};

struct Elu : Rare {
  template <class T>
  static constexpr bool by_number = true;  // the C library's expm1 is more exact
  template <class N>
  FASTFA_ON_DEVICE N value(N a) const {
    return a > 0 ? a : Functions<N>::expm1(a);
  }
  template <class N>
  FASTFA_ON_DEVICE N slope(N h) const {
    return h > 0 ? N{} + Element<N>(1) : h + Element<N>(1);
  }
};

constexpr double root_half = 0.70710678118654752;       // √(1/2)
constexpr double density_at_zero = 0.3989422804014327;  // of the normal distribution: 1 / √(2π)

struct Gelu : KeepsSlope {  // a Φ(a), Φ being the normal distribution function
  template <class N>
  FASTFA_ON_DEVICE ValueAndSlope<N> both(N a) const {
    using T = Element<N>;
    const N cdf = T(0.5) * Functions<N>::erfc(a * T(-root_half));
    const N density = Functions<N>::exp(a * a * T(-0.5)) * T(density_at_zero);
    return {a * cdf, cdf + a * density};
  }
};

struct Silu : KeepsSlope {
  template <class N>
  FASTFA_ON_DEVICE ValueAndSlope<N> both(N a) const {
    using T = Element<N>;
    const N s = T(1) / (T(1) + Functions<N>::exp(-a));
    return {a * s, s + a * s * (T(1) - s)};
  }
};

// f(σ), σ being one of the structs above. softmax is the output kernel's work.
template <class F>
FASTFA_ON_DEVICE inline auto with_sigma(Sigma activation, F&& f) {
  switch (activation.kind) {
    case Activation::logistic:
      return f(Logistic{});
    case Activation::tanh:
      return f(Tanh{});
    case Activation::relu:
      return f(Relu{});
    case Activation::leaky_relu:
      return f(LeakyRelu{activation.leak});
    case Activation::hard_tanh:
      return f(HardTanh{});
    case Activation::softplus:
      return f(Softplus{});
    case Activation::elu:
      return f(Elu{});
    case Activation::gelu:
      return f(Gelu{});
    case Activation::silu:
    case Activation::custom:  // the caller's code computes σ and σ′; kernels only read the σ′ that is
                              // kept
      return f(Silu{});
    case Activation::linear:
    case Activation::softmax:
      break;
  }
  return f(Linear{});
}

// σ(a), that with σ′(a), and σ′ in terms of what feedback reads: h = σ(a), or σ′ itself where it was
// kept.
template <class S, class N>
FASTFA_ON_DEVICE inline N value_of(S sigma, N a) {
  if constexpr (S::keeps_slope) {
    return sigma.both(a).value;
  } else {
    return sigma.value(a);
  }
}
template <class S, class N>
FASTFA_ON_DEVICE inline ValueAndSlope<N> value_and_slope(S sigma, N a) {
  if constexpr (S::keeps_slope) {
    return sigma.both(a);
  } else {
    const N h = sigma.value(a);
    return {h, sigma.slope(h)};
  }
}
template <class S, class N>
FASTFA_ON_DEVICE inline N slope_of(S sigma, N h) {
  if constexpr (S::keeps_slope) {
    return h;
  } else {
    return sigma.slope(h);
  }
}

}  // namespace
}  // namespace fastfa

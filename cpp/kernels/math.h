// Activation functions and their derivatives on short contiguous rows. Eigen supplies the vectorised
// transcendental functions. The functions of a single number are in cuda/math.cuh.
#pragma once

#include <Eigen/Core>
#include <cmath>

#include "fastfa/types.h"
#include "kernels/ops.h"
#include "kernels/simd.h"

namespace fastfa {
namespace {

template <class T>
using Numbers = Eigen::Array<T, lanes<T>, 1>;  // of one vector
template <class T>
using NumbersAt = Eigen::Map<Numbers<T>, Eigen::AlignedMax>;

// σ and σ′ of the same pre-activations
template <class T>
struct Both {
  Numbers<T> value, slope;
};

// Φ, the normal distribution function. In float ½ erfc(z) = ½ t exp(P(t) − z²) with t = 1 / (1 + z / 2)
// and P fitted to erfc at 200 Chebyshev nodes of z in [0, 10]: right to 3e-7 of its value.
template <class T>
inline Numbers<T> normal_cdf(const Numbers<T>& a) {
  if constexpr (sizeof(T) == 8) {
    return a.unaryExpr([](double x) { return 0.5 * std::erfc(x * -0.70710678118654752); });
  } else {
    const Numbers<T> z = a.abs() * T(0.70710678), t = (T(1) + z * T(0.5)).inverse();
    constexpr T p[] = {-1.265448f,     0.998632783f,  0.386640412f, 0.0346027999f, 0.00126758653f,
                       -0.0802804325f, -0.696251899f, 1.15673376f,  -0.680827178f, 0.144930214f};
    Numbers<T> sum = Numbers<T>::Constant(p[9]);
    for (int i = 8; i >= 0; --i) sum = sum * t + p[i];
    const Numbers<T> tail = T(0.5) * t * (sum - z * z).exp();
    return (a > T(0)).select(T(1) - tail, tail);
  }
}

template <class T>
inline Both<T> gelu(const Numbers<T>& a) {
  const Numbers<T> cdf = normal_cdf<T>(a), density = (a * a * T(-0.5)).exp() * T(0.3989422804014327);
  return {a * cdf, cdf + a * density};
}

template <class T>
inline Both<T> silu(const Numbers<T>& a) {
  const Numbers<T> s = (T(1) + (-a).exp()).inverse();
  return {a * s, s + a * s * (T(1) - s)};
}

// Calls f(i) for i = 0, lanes, 2 · lanes … below n: where each vector of a row begins.
template <class T, class F>
inline void for_vectors(Index n, F&& f) {
  for (Index i = 0; i < n; i += lanes<T>) f(i);
}

// The same as activate() and times_derivative() below, for what is used less. Never inlined: the code
// would make the loops of tiny networks slower for all others.
template <class T>
[[gnu::noinline]] void activate_more(T* x, Index n, Activation activation) {
  Eigen::Map<Eigen::Array<T, Eigen::Dynamic, 1>, Eigen::AlignedMax> row(x, n);
  switch (activation) {
    case Activation::hard_tanh:
      row = row.max(T(-1)).min(T(1));
      break;
    case Activation::softplus:
      row = row.max(T(0)) + (-row.abs()).exp().log1p();
      break;
    case Activation::elu:
      row = (row > T(0)).select(row, row.min(T(0)).expm1());
      break;
    case Activation::gelu:
      for_vectors<T>(n, [&](Index i) { NumbersAt<T>(x + i) = gelu<T>(NumbersAt<T>(x + i)).value; });
      break;
    case Activation::silu:
      for_vectors<T>(n, [&](Index i) { NumbersAt<T>(x + i) = silu<T>(NumbersAt<T>(x + i)).value; });
      break;
    default:
      break;
  }
}

template <class T>
[[gnu::noinline]] void times_derivative_more(T* delta, const T* h, Index n, Activation activation) {
  const auto each = [&](auto slope) {
    for_vectors<T>(n, [&](Index i) { store(delta + i, load(delta + i) * slope(load(h + i))); });
  };
  constexpr Vec<T> zero{};
  switch (activation) {
    case Activation::hard_tanh:
      return each([](Vec<T> v) { return (v > T(-1)) & (v < T(1)) ? zero + T(1) : zero; });
    case Activation::elu:
      return each([](Vec<T> v) { return v > 0 ? zero + T(1) : v + T(1); });
    case Activation::softplus:
      return for_vectors<T>(n, [&](Index i) {
        const Eigen::Map<const Numbers<T>, Eigen::AlignedMax> v(h + i);
        NumbersAt<T>(delta + i) *= -(-v).expm1();
      });
    case Activation::gelu:
    case Activation::silu:
      return each([](Vec<T> v) { return v; });
    default:
      return;
  }
}

// x ← σ(x), n a multiple of the vector width. softmax is done by the output kernel.
template <class T>
inline void activate(T* x, Index n, Sigma activation) {
  using Row = Eigen::Map<Eigen::Array<T, Eigen::Dynamic, 1>, Eigen::AlignedMax>;
  Row row(x, n);
  const auto each = [&](auto sigma) {
    for (Index i = 0; i < n; i += lanes<T>) store(x + i, sigma(load(x + i)));
  };
  switch (activation.kind) {
    case Activation::logistic:
      if constexpr (sizeof(T) == 4) {
        row = row.logistic();
      } else {
        row = (T(1) + (-row).exp()).inverse();
      }
      break;
    case Activation::tanh:
      row = row.tanh();
      break;
    case Activation::relu:
      each([](Vec<T> v) { return v > 0 ? v : Vec<T>{}; });
      break;
    case Activation::leaky_relu:
      each([leak = static_cast<T>(activation.leak)](Vec<T> v) { return v > 0 ? v : v * leak; });
      break;
    case Activation::linear:
    case Activation::softmax:
      break;
    default:
      activate_more(x, n, activation.kind);
  }
}

// slope ← σ′(x), x ← σ(x), where σ′ isn't a function of σ.
template <class T>
inline void activate_with_slope(T* x, T* slope, Index n, Sigma activation) {
  for_vectors<T>(n, [&](Index i) {
    const Numbers<T> a = NumbersAt<T>(x + i);
    const Both<T> both = activation.kind == Activation::gelu ? gelu<T>(a) : silu<T>(a);
    NumbersAt<T>(x + i) = both.value;
    NumbersAt<T>(slope + i) = both.slope;
  });
}

// δ ← δ ∘ σ′, with σ′ written in terms of h = σ(a); of gelu and silu, h is σ′ itself
template <class T>
inline void times_derivative(T* delta, const T* h, Index n, Sigma activation) {
  const auto each = [&](auto slope) {
    for (Index i = 0; i < n; i += lanes<T>) {
      store(delta + i, load(delta + i) * slope(load(h + i)));
    }
  };
  constexpr Vec<T> zero{};
  switch (activation.kind) {
    case Activation::logistic:
      return each([](Vec<T> v) { return v * (T(1) - v); });
    case Activation::tanh:
      return each([](Vec<T> v) { return T(1) - v * v; });
    case Activation::relu:
      return each([](Vec<T> v) { return v > 0 ? zero + T(1) : zero; });
    case Activation::leaky_relu:
      return each([leak = static_cast<T>(activation.leak)](Vec<T> v) {
        return v > 0 ? zero + T(1) : zero + leak;
      });
    case Activation::linear:
    case Activation::softmax:
      return;
    default:
      return times_derivative_more(delta, h, n, activation.kind);
  }
}

template <class T>
inline bool row_within_limit(const T* x, Index n) {
  Mask<T> ok = Mask<T>{} - 1;
  for (Index i = 0; i < n; i += lanes<T>) ok &= within_limit<T>(load(x + i));
  return all<T>(ok);
}

}  // namespace
}  // namespace fastfa

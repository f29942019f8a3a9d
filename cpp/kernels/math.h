// σ and σ′ of short contiguous rows. Eigen supplies the vectorised transcendental functions.
#pragma once

#include <Eigen/Core>
#include <cmath>
#include <type_traits>

#include "kernels/ops.h"
#include "kernels/sigma.h"
#include "kernels/simd.h"

namespace fastfa {
namespace {

template <class T>
struct FunctionsOfVectors {
  using Element = T;
  using Numbers = Eigen::Array<T, lanes<T>, 1>;
  static Vec<T> exp(Vec<T> a) {
    return eigen(a, [](const auto& x) { return x.exp(); });
  }
  static Vec<T> expm1(Vec<T> a) {
    return eigen(a, [](const auto& x) { return x.expm1(); });
  }
  static Vec<T> log1pexp(Vec<T> a) {
    return eigen(a, [](const auto& x) { return x.exp().log1p(); });
  }
  static Vec<T> tanh(Vec<T> a) {
    return eigen(a, [](const auto& x) { return x.tanh(); });
  }
  // Eigen's function of each number of a vector.
  template <class F>
  static Vec<T> eigen(Vec<T> a, F&& function) {
    const Numbers numbers = Eigen::Map<const Numbers, Eigen::AlignedMax>(reinterpret_cast<T*>(&a));
    Vec<T> result;
    Eigen::Map<Numbers, Eigen::AlignedMax>(reinterpret_cast<T*>(&result)) = function(numbers);
    return result;
  }
};

template <>
struct Functions<Vec<double>> : FunctionsOfVectors<double> {
  static Vec<double> logistic(Vec<double> a) { return 1.0 / (1.0 + exp(-a)); }
  static Vec<double> erfc(Vec<double> a) {
    return eigen(a, [](const auto& x) { return x.unaryExpr([](double v) { return std::erfc(v); }); });
  }
};

template <>
struct Functions<Vec<float>> : FunctionsOfVectors<float> {
  static Vec<float> logistic(Vec<float> a) {
    return eigen(a, [](const auto& x) { return x.logistic(); });
  }
  // erfc(z) = t exp(P(t) − z²) with t = 1 / (1 + z / 2) and P fitted at 200 Chebyshev nodes of z in
  // [0, 10]: right to 3e-7 of its value. erfc(−z) = 2 − erfc(z).
  static Vec<float> erfc(Vec<float> a) {
    constexpr float p[] = {-1.265448f,     0.998632783f,  0.386640412f, 0.0346027999f, 0.00126758653f,
                           -0.0802804325f, -0.696251899f, 1.15673376f,  -0.680827178f, 0.144930214f};
    const Vec<float> z = a < 0 ? -a : a, t = 1.0f / (1.0f + z * 0.5f);
    Vec<float> sum = Vec<float>{} + p[9];
    for (int i = 8; i >= 0; --i) sum = sum * t + p[i];
    const Vec<float> tail = t * exp(sum - z * z);
    return a < 0 ? 2.0f - tail : tail;
  }
};

// Calls f(i, args…) for i = 0, lanes, 2 · lanes … below n: where each vector of a row begins. f captures
// nothing: what a closure holds would go through memory.
template <class T, class F, class... Args>
inline void for_vectors(Index n, F f, Args... args) {
  for (Index i = 0; i < n; i += lanes<T>) f(i, args...);
}

// The same for activation S. The code of rare ones is never inlined, because it would make the loops of
// tiny networks slower for all others.
template <class T, class F, class... Args>
[[gnu::noinline]] void for_vectors_apart(Index n, F f, Args... args) {
  for_vectors<T>(n, f, args...);
}
template <class S, class T, class F, class... Args>
inline void for_vectors_of(Index n, F f, Args... args) {
  if constexpr (S::rare) {
    for_vectors_apart<T>(n, f, args...);
  } else {
    for_vectors<T>(n, f, args...);
  }
}

// x ← σ(x), n a multiple of the vector width. softmax is done by the output kernel.
template <class T>
inline void activate(T* x, Index n, Sigma activation) {
  with_sigma(activation, [=](auto sigma) {
    using S = decltype(sigma);
    if constexpr (S::template by_number<T>) {
      for (Index i = 0; i < n; ++i) x[i] = value_of(sigma, x[i]);
    } else if constexpr (!std::is_same_v<S, Linear>) {
      const auto each = [](Index i, S s, T* h) { store(h + i, value_of(s, load(h + i))); };
      for_vectors_of<S, T>(n, each, sigma, x);
    }
  });
}

// slope ← σ′(x), x ← σ(x), where σ′ isn't a function of σ.
template <class T>
inline void activate_with_slope(T* x, T* slope, Index n, Sigma activation) {
  with_sigma(activation, [=](auto sigma) {
    using S = decltype(sigma);
    if constexpr (S::keeps_slope) {
      const auto each = [](Index i, S s, T* h, T* to) {
        const ValueAndSlope<Vec<T>> both = s.both(load(h + i));
        store(h + i, both.value);
        store(to + i, both.slope);
      };
      for_vectors_of<S, T>(n, each, sigma, x, slope);
    }
  });
}

// δ ← δ ∘ σ′, h being what feedback reads: σ(a), or σ′ itself where it was kept
template <class T>
inline void times_derivative(T* delta, const T* h, Index n, Sigma activation) {
  with_sigma(activation, [=](auto sigma) {
    using S = decltype(sigma);
    if constexpr (!std::is_same_v<S, Linear>) {
      const auto each = [](Index i, S s, T* d, const T* of) {
        store(d + i, load(d + i) * slope_of(s, load(of + i)));
      };
      for_vectors_of<S, T>(n, each, sigma, delta, h);
    }
  });
}

template <class T>
inline bool row_within_limit(const T* x, Index n) {
  Mask<T> ok = Mask<T>{} - 1;
  for (Index i = 0; i < n; i += lanes<T>) ok &= within_limit<T>(load(x + i));
  return all<T>(ok);
}

}  // namespace
}  // namespace fastfa

// Activation functions and their derivatives on short contiguous rows. Eigen supplies the vectorised
// transcendental functions.
#pragma once

#include <Eigen/Core>

#include "fastfa/types.h"
#include "kernels/simd.h"

namespace fastfa {
namespace {

// x ← σ(x), n a multiple of the vector width. softmax is done by the output kernel.
template <class T>
inline void activate(T* x, Index n, Activation activation) {
  using Row = Eigen::Map<Eigen::Array<T, Eigen::Dynamic, 1>, Eigen::AlignedMax>;
  Row row(x, n);
  switch (activation) {
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
      for (Index i = 0; i < n; i += lanes<T>) {
        const Vec<T> v = load(x + i);
        store(x + i, v > 0 ? v : Vec<T>{});
      }
      break;
    case Activation::leaky_relu:
      for (Index i = 0; i < n; i += lanes<T>) {
        const Vec<T> v = load(x + i);
        store(x + i, v > 0 ? v : v * T(0.05));
      }
      break;
    case Activation::linear:
    case Activation::softmax:
      break;
  }
}

// δ ← δ ∘ σ′, with σ′ written in terms of h = σ(a)
template <class T>
inline void times_derivative(T* delta, const T* h, Index n, Activation activation) {
  const auto each = [&](auto slope) {
    for (Index i = 0; i < n; i += lanes<T>) {
      store(delta + i, load(delta + i) * slope(load(h + i)));
    }
  };
  switch (activation) {
    case Activation::logistic:
      return each([](Vec<T> v) { return v * (T(1) - v); });
    case Activation::tanh:
      return each([](Vec<T> v) { return T(1) - v * v; });
    case Activation::relu:
      return each([](Vec<T> v) { return v > 0 ? Vec<T>{} + T(1) : Vec<T>{}; });
    case Activation::leaky_relu:
      return each([](Vec<T> v) { return v > 0 ? Vec<T>{} + T(1) : Vec<T>{} + T(0.05); });
    case Activation::linear:
    case Activation::softmax:
      return;
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

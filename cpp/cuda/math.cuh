// Activation functions, their derivatives, and the limit beyond which training stops.
#pragma once

#include "cuda/portable.cuh"

namespace fastfa::cuda {

// Φ, the normal distribution function
template <class T>
__device__ inline T normal_cdf(T a) {
  return T(0.5) * erfc(a * T(-0.70710678118654752));
}
template <class T>
__device__ inline T logistic(T a) {
  return T(1) / (T(1) + exp(-a));
}

template <class T>
__device__ inline T activate(T a, Sigma activation) {
  switch (activation.kind) {
    case Activation::logistic:
      return logistic(a);
    case Activation::tanh:
      return tanh(a);
    case Activation::relu:
      return a > 0 ? a : T(0);
    case Activation::leaky_relu:
      return a > 0 ? a : a * static_cast<T>(activation.leak);
    case Activation::hard_tanh:
      return a > 1 ? T(1) : a < -1 ? T(-1) : a;
    case Activation::softplus:
      return (a > 0 ? a : T(0)) + log1p(exp(a > 0 ? -a : a));
    case Activation::elu:
      return a > 0 ? a : expm1(a);
    case Activation::gelu:
      return a * normal_cdf(a);
    case Activation::silu:
      return a * logistic(a);
    case Activation::linear:
    case Activation::softmax:
      break;
  }
  return a;
}

// σ′ in terms of the pre-activation, where it isn't a function of h = σ(a)
template <class T>
__device__ inline T slope_at(T a, Sigma activation) {
  if (activation.kind == Activation::gelu) {
    return normal_cdf(a) + a * exp(a * a * T(-0.5)) * T(0.3989422804014327);
  }
  const T s = logistic(a);
  return s + a * s * (T(1) - s);
}

// σ′ in terms of h = σ(a); of gelu and silu, h is σ′ itself
template <class T>
__device__ inline T slope(T h, Sigma activation) {
  switch (activation.kind) {
    case Activation::logistic:
      return h * (T(1) - h);
    case Activation::tanh:
      return T(1) - h * h;
    case Activation::relu:
      return h > 0 ? T(1) : T(0);
    case Activation::leaky_relu:
      return h > 0 ? T(1) : static_cast<T>(activation.leak);
    case Activation::hard_tanh:
      return h > -1 && h < 1 ? T(1) : T(0);
    case Activation::softplus:
      return -expm1(-h);
    case Activation::elu:
      return h > 0 ? T(1) : h + T(1);
    case Activation::gelu:
    case Activation::silu:
      return h;
    case Activation::linear:
    case Activation::softmax:
      break;
  }
  return T(1);
}

template <class T>
__device__ inline bool within_limit(T x) {
  constexpr T limit = value_limit<T>;
  return x <= limit && x >= -limit;  // false for NaN
}
template <class T>
__device__ inline void report_beyond(T x, int* bad) {
  if (bad && !within_limit(x)) atomicOr(bad, 1);
}

}  // namespace fastfa::cuda

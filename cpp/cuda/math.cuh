// Activation functions, their derivatives, and the limit beyond which training stops.
#pragma once

#include "cuda/portable.cuh"

namespace fastfa::cuda {

template <class T>
__device__ inline T activate(T a, Activation activation) {
  switch (activation) {
    case Activation::logistic:
      return T(1) / (T(1) + exp(-a));
    case Activation::tanh:
      return tanh(a);
    case Activation::relu:
      return a > 0 ? a : T(0);
    case Activation::leaky_relu:
      return a > 0 ? a : a * T(0.05);
    case Activation::linear:
    case Activation::softmax:
      break;
  }
  return a;
}

// σ′ in terms of h = σ(a)
template <class T>
__device__ inline T slope(T h, Activation activation) {
  switch (activation) {
    case Activation::logistic:
      return h * (T(1) - h);
    case Activation::tanh:
      return T(1) - h * h;
    case Activation::relu:
      return h > 0 ? T(1) : T(0);
    case Activation::leaky_relu:
      return h > 0 ? T(1) : T(0.05);
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

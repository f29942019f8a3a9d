// σ and σ′ of a number, and the limit beyond which training stops.
#pragma once

#include "cuda/portable.cuh"
#include "kernels/sigma.h"

namespace fastfa::cuda {

template <class T>
__device__ inline T activate(T a, Sigma activation) {
  return with_sigma(activation, [a](auto sigma) { return value_of(sigma, a); });
}

template <class T>
__device__ inline ValueAndSlope<T> activate_with_slope(T a, Sigma activation) {
  return with_sigma(activation, [a](auto sigma) { return value_and_slope(sigma, a); });
}

// σ′ in terms of what feedback reads: h = σ(a), or σ′ itself where it was kept
template <class T>
__device__ inline T slope(T h, Sigma activation) {
  T result = h;  // written where σ′ isn't h itself: to return it from each case takes more registers
  with_sigma(activation, [&](auto sigma) {
    if constexpr (!decltype(sigma)::keeps_slope) result = sigma.slope(h);
  });
  return result;
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

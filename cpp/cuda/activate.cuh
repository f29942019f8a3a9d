// slope ← σ′(h), h ← σ(h).
#pragma once

#include "cuda/math.cuh"

namespace fastfa::cuda {

template <class T>
__global__ void activate_with_slope(Activate<T> p) {
  for (Index i = thread_of_grid(); i < p.n * p.cols; i += threads_of_grid()) {
    const Index n = i / p.cols, c = i % p.cols;
    T& h = p.h[n][c];
    const ValueAndSlope<T> both = activate_with_slope(h, p.activation);
    p.slope[n][c] = both.slope;
    h = both.value;
  }
}

}  // namespace fastfa::cuda

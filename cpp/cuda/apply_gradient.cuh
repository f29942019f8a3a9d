// The optimizer's step with a gradient that lies in memory, for steps that limit gradients first.
#pragma once

#include "cuda/learn.cuh"

namespace fastfa::cuda {

template <class T>
__global__ void apply_gradient(ApplyGradient<T> u) {
  if (is_halted(u)) return;
  for (Index i = thread_of_grid(); i < u.count; i += threads_of_grid()) {
    const T g = u.gradient[i];
    apply(u, u.w, u.v, u.s, i, g > u.limit ? u.limit : g < -u.limit ? -u.limit : g, u.decay);
  }
}

}  // namespace fastfa::cuda

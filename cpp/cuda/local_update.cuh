// The optimizer's step on a locally connected layer: at each position, the patch times δ, summed over
// the examples, a warp for each weight; x (inputs, n) and across (units, n) have examples side by side.
// Accumulates into w, bias and the optimizer's memory of them.
#pragma once

#include "cuda/learn.cuh"
#include "cuda/local.cuh"

namespace fastfa::cuda {

template <class T>
__global__ void local_update(LocalUpdate<T> u, const Live* live) {
  if (is_halted(u)) return;
  const Learning<T> rule = rule_now(u, u.s, live);
  const LocalShape& s = u.shape;
  const Index patch = s.kernel_h * s.kernel_w * s.maps, weights = s.positions() * s.channels * patch;
  const int lane = static_cast<int>(threadIdx.x);
  for (Index i = Index{blockIdx.x} * blockDim.y + threadIdx.y; i < weights;
       i += Index{gridDim.x} * blockDim.y) {
    const Index p = i / (s.channels * patch), channel = i / patch % s.channels, in_patch = i % patch;
    const Index m = in_patch % s.maps, k = in_patch / s.maps;
    const Index pixel = pixel_of(s, p, k / s.kernel_w, k % s.kernel_w);
    T sum = T(0);
    if (pixel >= 0) {
      const T* x = u.x + (channel * s.height * s.width + pixel) * u.ldx;
      const T* delta = u.across + (m * s.positions() + p) * u.ldc;
      for (Index n = lane; n < u.n; n += warp) sum += x[n] * delta[n];
    }
    sum = warp_sum(sum);
    if (lane != 0) continue;
    apply(rule, u.w, u.v, u.s, p * u.ldw + channel * s.block() + in_patch, sum, u.decay);
  }
}

template <class T>
__global__ void local_update_bias(LocalUpdate<T> u, const Live* live) {
  if (is_halted(u)) return;
  const Learning<T> rule = rule_now(u, u.s, live);
  for (Index unit = thread_of_grid(); unit < u.shape.units(); unit += threads_of_grid()) {
    T sum = T(0);
    for (Index n = 0; n < u.n; ++n) sum += u.delta[n * u.ldd + unit];
    apply(rule, u.bias, u.v ? u.v_bias : nullptr, u.s ? u.s_bias : nullptr, unit, sum, T(0));
  }
}

}  // namespace fastfa::cuda

// a = σ(W x + b) of a locally connected layer: x_across (inputs, n) → a (n, units), overwritten. A block
// has a position and a warp's width of examples, whose patches it gathers in shared memory, some inputs
// at a time; its warps share out the maps, so that a weight is read once for all of the block's
// examples.
#pragma once

#include "cuda/local.cuh"
#include "cuda/math.cuh"

namespace fastfa::cuda {

constexpr int local_inputs = 32;  // of a patch that are in shared memory
constexpr int local_maps = 4;     // maps that a warp has at a time

template <class T>
__global__ void __launch_bounds__(warp* local_warps) local_forward(LocalForward<T> f) {
  FASTFA_SHARED(T, patch, local_inputs * warp);
  const LocalShape& s = f.shape;
  const int lane = static_cast<int>(threadIdx.x), of_warp = static_cast<int>(threadIdx.y);
  const Index n = Index{blockIdx.x} * warp + lane, inputs = s.patch();
  for (Index p = blockIdx.y; p < s.positions(); p += gridDim.y) {
    for (Index m0 = 0; m0 < s.maps; m0 += local_warps * local_maps) {
      T sum[local_maps] = {};
      for (Index k0 = 0; k0 < inputs; k0 += local_inputs) {
        const int count = static_cast<int>(least(inputs - k0, Index{local_inputs}));
        __syncthreads();  // all are done with what was there
        for (int k = of_warp; k < count; k += local_warps) {
          const Index input = input_of(s, p, k0 + k);
          patch[k * warp + lane] = input >= 0 && n < f.n ? f.x_across[input][n] : T(0);
        }
        __syncthreads();
        for (int k = 0; k < count; ++k) {
          const T* w = f.w[p] + place_of_weight(s, (k0 + k) * s.maps);
          const T x = patch[k * warp + lane];
#pragma unroll
          for (int j = 0; j < local_maps; ++j) {
            const Index m = m0 + of_warp + j * local_warps;
            if (m < s.maps) sum[j] += w[m] * x;
          }
        }
      }
#pragma unroll
      for (int j = 0; j < local_maps; ++j) {
        const Index m = m0 + of_warp + j * local_warps, unit = m * s.positions() + p;
        if (m >= s.maps || n >= f.n) continue;
        const T a = f.bias ? sum[j] + f.bias[unit] : sum[j];
        report_beyond(a, f.bad);
        f.a[n][unit] = activate(a, f.activation);
      }
    }
  }
}

}  // namespace fastfa::cuda

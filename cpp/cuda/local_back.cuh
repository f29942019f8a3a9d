// below = Wᵀδ of a locally connected layer: δ (units, n) → below (inputs, n), overwritten. Each pixel
// gathers from the positions whose patches hold it; the lanes of a warp are examples.
#pragma once

#include "cuda/local.cuh"

namespace fastfa::cuda {

template <class T>
__global__ void local_back(LocalBack<T> b) {
  const LocalShape& s = b.shape;
  const Index n = Index{blockIdx.x} * warp + threadIdx.x;
  if (n >= b.n) return;
  const Index first = Index{blockIdx.y} * blockDim.y + threadIdx.y;
  for (Index input = first; input < s.inputs(); input += Index{gridDim.y} * blockDim.y) {
    const Index channel = input / (s.height * s.width), pixel = input % (s.height * s.width);
    const Index y = pixel / s.width + s.pad_h, x = pixel % s.width + s.pad_w;
    T sum = T(0);
    for (Index ky = y % s.stride_h; ky < s.kernel_h && ky <= y; ky += s.stride_h) {
      const Index oy = (y - ky) / s.stride_h;
      if (oy >= s.out_h) continue;
      for (Index kx = x % s.stride_w; kx < s.kernel_w && kx <= x; kx += s.stride_w) {
        const Index ox = (x - kx) / s.stride_w;
        if (ox >= s.out_w) continue;
        const Index p = oy * s.out_w + ox;
        const T* w = b.w[p] + channel * s.block() + (ky * s.kernel_w + kx) * s.maps;
        for (Index m = 0; m < s.maps; ++m) {
          sum += w[m] * b.delta[m * s.positions() + p][n];
        }
      }
    }
    b.below[input][n] = sum;
  }
}

}  // namespace fastfa::cuda

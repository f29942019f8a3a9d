// a = σ(W x + b) of a locally connected layer: x (inputs, n) → a (n, units), overwritten. The lanes of a
// warp are examples, so that a weight is read once for 32 of them; its warps share out the maps.
#pragma once

#include "cuda/local.cuh"
#include "cuda/math.cuh"

namespace fastfa::cuda {

template <class T>
__global__ void local_forward(LocalForward<T> f) {
  const LocalShape& s = f.shape;
  const Index n = Index{blockIdx.x} * warp + threadIdx.x;
  if (n >= f.n) return;
  for (Index p = blockIdx.y; p < s.positions(); p += gridDim.y) {
    for (Index m = threadIdx.y; m < s.maps; m += blockDim.y) {
      T sum = T(0);
      for (Index channel = 0; channel < s.channels; ++channel) {
        const T* w = f.w + p * f.ldw + channel * s.block() + m;
        const T* x = f.x + channel * s.height * s.width * f.ldx + n;
        for (Index ky = 0; ky < s.kernel_h; ++ky) {
          for (Index kx = 0; kx < s.kernel_w; ++kx) {
            const Index pixel = pixel_of(s, p, ky, kx);
            if (pixel >= 0) sum += w[(ky * s.kernel_w + kx) * s.maps] * x[pixel * f.ldx];
          }
        }
      }
      const Index unit = m * s.positions() + p;
      const T a = f.bias ? sum + f.bias[unit] : sum;
      report_beyond(a, f.bad);
      f.a[n * f.lda + unit] = activate(a, f.activation);
    }
  }
}

}  // namespace fastfa::cuda

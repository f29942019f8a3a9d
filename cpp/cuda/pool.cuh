// Pooling, forward and back: a thread for each unit, and for each pixel, which gathers from the units
// whose patches hold it.
#pragma once

#include "cuda/conv.cuh"

namespace fastfa::cuda {

template <class T>
__global__ void pool_forward(PoolForward<T> f, PatchPlan plan) {
  const T share = T(1) / static_cast<T>(plan.kernel_h * plan.kernel_w);
  for (Index n = blockIdx.y; n < f.n; n += gridDim.y) {
    for (Index unit = thread_of_grid(); unit < f.shape.units(); unit += threads_of_grid()) {
      const Split plane = plan.positions.split(static_cast<std::uint32_t>(unit));
      const Split at = plan.of_row.split(plane.rest);
      const int y = at.whole * plan.stride_h, x = at.rest * plan.stride_w;
      const T* const patch = f.x[n] + (plane.whole * plan.height + y) * plan.width + x;
      T sum = T(0), best = patch[0];
      int which = 0;
      for (int k = 0, ky = 0; ky < plan.kernel_h; ++ky) {
        for (int kx = 0; kx < plan.kernel_w; ++kx, ++k) {
          const T value = patch[ky * plan.width + kx];
          sum += value;
          if (!(value > best)) continue;
          best = value;
          which = k;
        }
      }
      f.a[n][unit] = f.chosen ? best : sum * share;
      if (f.chosen) f.chosen[n][unit] = static_cast<T>(which);
    }
  }
}

// The units in whose patches a pixel is, in one direction: from `first` to `end`.
__device__ inline void units_around(int pixel, int kernel, int stride, Index out, int& first, int& end) {
  first = pixel < kernel ? 0 : (pixel - kernel) / stride + 1;
  end = static_cast<int>(least(Index{pixel / stride} + 1, out));
}

template <class T>
__global__ void pool_back(PoolBack<T> b, PatchPlan plan, Divider pixels, Divider width) {
  const LocalShape& s = b.shape;
  const T share = T(1) / static_cast<T>(plan.kernel_h * plan.kernel_w);
  for (Index n = blockIdx.y; n < b.n; n += gridDim.y) {
    for (Index input = thread_of_grid(); input < s.inputs(); input += threads_of_grid()) {
      const Split plane = pixels.split(static_cast<std::uint32_t>(input));
      const Split at = width.split(plane.rest);
      int y0, y1, x0, x1;
      units_around(at.whole, plan.kernel_h, plan.stride_h, s.out_h, y0, y1);
      units_around(at.rest, plan.kernel_w, plan.stride_w, s.out_w, x0, x1);
      T sum = T(0);
      for (int y = y0; y < y1; ++y) {
        for (int x = x0; x < x1; ++x) {
          const Index unit = (plane.whole * s.out_h + y) * s.out_w + x;
          const int k = (at.whole - y * plan.stride_h) * plan.kernel_w + at.rest - x * plan.stride_w;
          const T value = b.source[n][unit];
          if (!b.chosen) sum += value * share;
          if (b.chosen && b.chosen[n][unit] == static_cast<T>(k)) sum += value;
        }
      }
      b.below[n][input] = sum;
    }
  }
}

}  // namespace fastfa::cuda

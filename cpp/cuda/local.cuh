// What the kernels of locally connected layers share: where a patch lies.
#pragma once

#include "cuda/portable.cuh"

namespace fastfa::cuda {

// Pixel (ky, kx) of the patch at a position: its number within a channel, or −1 outside the image.
__device__ inline Index pixel_of(const LocalShape& s, Index position, Index ky, Index kx) {
  const Index y = position / s.out_w * s.stride_h - s.pad_h + ky;
  const Index x = position % s.out_w * s.stride_w - s.pad_w + kx;
  return y < 0 || y >= s.height || x < 0 || x >= s.width ? -1 : y * s.width + x;
}

}  // namespace fastfa::cuda

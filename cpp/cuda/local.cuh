// What the kernels of locally connected layers share: where a patch lies, and how it gets into shared
// memory.
#pragma once

#include "cuda/portable.cuh"

namespace fastfa::cuda {

constexpr int local_warps = 8;  // of a block
template <class T>
constexpr int local_examples = 128 / static_cast<int>(sizeof(T));  // that an update has at a time

// Pixel (ky, kx) of the patch at a position: its number within a channel, or −1 outside the image.
__device__ inline Index pixel_of(const LocalShape& s, Index position, Index ky, Index kx) {
  const Index y = position / s.out_w * s.stride_h - s.pad_h + ky;
  const Index x = position % s.out_w * s.stride_w - s.pad_w + kx;
  return y < 0 || y >= s.height || x < 0 || x >= s.width ? -1 : y * s.width + x;
}

// Input k = (channel, ky, kx) of a patch: its number among the layer's, or −1 outside the image.
__device__ inline Index input_of(const LocalShape& s, Index position, Index k) {
  const Index area = s.kernel_h * s.kernel_w, in_area = k % area;
  const Index pixel = pixel_of(s, position, in_area / s.kernel_w, in_area % s.kernel_w);
  return pixel < 0 ? -1 : k / area * s.height * s.width + pixel;
}

// Element k · maps + map of a position's weights as it lies in memory: channels are padded.
__device__ inline Index place_of_weight(const LocalShape& s, Index e) {
  const Index of_channel = s.kernel_h * s.kernel_w * s.maps;
  return e / of_channel * s.block() + e % of_channel;
}

}  // namespace fastfa::cuda

// below = Wᵀδ of a locally connected layer: δ (units, n) → below (inputs, n), overwritten. Each pixel
// gathers from the positions whose patches hold it, in order.
#pragma once

#include "kernels/local.h"

namespace fastfa {
namespace {

template <class T>
int local_back_tiles(const LocalBack<T>& b) {
  return static_cast<int>(
      local_tiles_of(b.shape.channels * b.shape.height, b.shape.units() * b.shape.patch() * b.n));
}

// Positions whose patch holds pixel y: first … last (one dimension).
inline void positions_of(Index y, Index pad, Index kernel, Index stride, Index out, Index& first,
                         Index& end) {
  const Index low = y + pad - kernel + 1;
  first = low > 0 ? (low + stride - 1) / stride : 0;
  end = min((y + pad) / stride + 1, out);
}

template <class T, int V>
inline void local_back_pixel(const LocalBack<T>& b, Index channel, Index y, Index x, Index c) {
  const LocalShape& s = b.shape;
  Index oy, oy_end, ox_first, ox_end;
  positions_of(y, s.pad_h, s.kernel_h, s.stride_h, s.out_h, oy, oy_end);
  positions_of(x, s.pad_w, s.kernel_w, s.stride_w, s.out_w, ox_first, ox_end);
  Vec<T> acc[V] = {};
  for (; oy < oy_end; ++oy) {
    const Index ky = y + s.pad_h - oy * s.stride_h;
    for (Index ox = ox_first; ox < ox_end; ++ox) {
      const Index kx = x + s.pad_w - ox * s.stride_w, position = oy * s.out_w + ox;
      const T* w = b.w[position] + channel * s.block() + (ky * s.kernel_w + kx) * s.maps;
      const T* delta = b.delta[position] + c;
      for (Index m = 0; m < s.maps; ++m, delta += s.positions() * b.delta.ld) {
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) acc[v] += w[m] * load(delta + v * lanes<T>);
      }
    }
  }
  T* below = b.below[(channel * s.height + y) * s.width + x] + c;
  for (int v = 0; v < V; ++v) store(below + v * lanes<T>, acc[v]);
}

template <class T>
void local_back_run(const LocalBack<T>& b, int tile, int tile_end) {
  const Index tiles = local_back_tiles(b), rows = b.shape.channels * b.shape.height;
  for (Index r = tile * rows / tiles; r < tile_end * rows / tiles; ++r) {
    for (Index x = 0; x < b.shape.width; ++x) {
      for_example_vecs<T>(b.n, [&](Index v, auto vecs) {
        local_back_pixel<T, decltype(vecs)::value>(b, r / b.shape.height, r % b.shape.height, x,
                                                   v * lanes<T>);
      });
    }
  }
}

}  // namespace
}  // namespace fastfa

// below = Wᵀδ of a convolution: each pixel gathers from the positions whose patches hold it, in order.
#pragma once

#include "kernels/conv.h"
#include "kernels/local_back.h"

namespace fastfa {
namespace {

template <class T>
int conv_back_tiles(const ConvBack<T>& b) {
  return conv_tiles_of(b.shape.height * b.shape.width * groups_of(b.n), conv_work(b.shape, b.n));
}

// C channels from `channel` on of one pixel, V vectors of examples: those of δ and below, of rows ld
// apart.
template <class T, int C, int V>
inline void conv_back_block(const ConvBack<T>& b, Index y, Index x, Index channel, const T* group_delta,
                            T* group_below, Index ld) {
  const LocalShape& s = b.shape;
  Index oy, oy_end, ox_first, ox_end;
  positions_of(y, s.pad_h, s.kernel_h, s.stride_h, s.out_h, oy, oy_end);
  positions_of(x, s.pad_w, s.kernel_w, s.stride_w, s.out_w, ox_first, ox_end);
  Vec<T> acc[C][V] = {};
  for (; oy < oy_end; ++oy) {
    const Index ky = y + s.pad_h - oy * s.stride_h;
    for (Index ox = ox_first; ox < ox_end; ++ox) {
      const Index kx = x + s.pad_w - ox * s.stride_w;
      const T* w = b.w + ((ky * s.kernel_w + kx) * s.channels + channel) * b.ldw;
      const T* delta = group_delta + (oy * s.out_w + ox) * s.maps * ld;
      for (Index m = 0; m < s.maps; ++m, delta += ld) {
        Vec<T> row[V];
        for (int v = 0; v < V; ++v) row[v] = load(delta + v * lanes<T>);
#pragma GCC unroll 8
        for (int k = 0; k < C; ++k) {
#pragma GCC unroll 4
          for (int v = 0; v < V; ++v) acc[k][v] += w[k * b.ldw + m] * row[v];
        }
      }
    }
  }
  T* below = group_below + ((y * s.width + x) * s.channels + channel) * ld;
  for (int k = 0; k < C; ++k) {
    for (int v = 0; v < V; ++v) store(below + k * ld + v * lanes<T>, acc[k][v]);
  }
}

template <class T>
void conv_back_run(const ConvBack<T>& b, int tile, int tile_end) {
  const LocalShape& s = b.shape;
  const Index tiles = conv_back_tiles(b), pixels = s.height * s.width, pieces = pixels * groups_of(b.n);
  for (Index piece = tile * pieces / tiles; piece < tile_end * pieces / tiles; ++piece) {
    const Group<T> group(piece / pixels, b.n);
    const Index p = piece % pixels;
    const T* const delta = b.delta + group.begin(s.units());
    T* const below = b.below + group.begin(s.inputs());
    for_maps(s.channels, [&](Index channel, auto channels) {
      for_example_vecs<T>(group.n, [&](Index v, auto vecs) {
        conv_back_block<T, decltype(channels)::value, decltype(vecs)::value>(
            b, p / s.width, p % s.width, channel, delta + v * lanes<T>, below + v * lanes<T>, group.ld);
      });
    });
  }
}

}  // namespace
}  // namespace fastfa

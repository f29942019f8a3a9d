// a = σ(W x + b) of a convolution. Maps and vectors of examples are kept in registers while the patch,
// which is read where it lies, runs by: its rows of (kx, channel) are contiguous, in x and in W.
#pragma once

#include "kernels/conv.h"
#include "kernels/math.h"

namespace fastfa {
namespace {

// A piece of work: a block of positions for a group of examples.
template <class T>
inline Index conv_pieces(const LocalShape& s, Index n) {
  return pixel_blocks<T>(units_of(s)) * groups_of(n);
}

template <class T>
int conv_forward_tiles(const ConvForward<T>& f) {
  return conv_tiles_of(conv_pieces<T>(f.shape, f.n), conv_work(f.shape, f.n));
}

// M maps from `map` on at one position, V vectors of examples: those of x and units, of rows ld apart.
template <class T, int M, int V>
inline void conv_forward_block(const ConvForward<T>& f, const Bordered& seen, Index position, Index map,
                               const T* group_x, T* group_units, Index ld) {
  const LocalShape& s = f.shape;
  const Index y = position / s.out_w * s.stride_h, x = position % s.out_w * s.stride_w;
  const Index along = s.kernel_w * s.channels;
  Vec<T> acc[M][V];
  for (int m = 0; m < M; ++m) {
    for (int v = 0; v < V; ++v) acc[m][v] = Vec<T>{} + (f.bias ? f.bias[map + m] : T(0));
  }
  const T* w = f.w + map;
  for (Index ky = 0; ky < s.kernel_h; ++ky) {
    const T* in = group_x + ((y + ky) * seen.cols + x) * seen.channels * ld;
    for (Index k = 0; k < along; ++k, in += ld, w += f.ldw) {
      Vec<T> row[V];
      for (int v = 0; v < V; ++v) row[v] = load(in + v * lanes<T>);
#pragma GCC unroll 8
      for (int m = 0; m < M; ++m) {
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) acc[m][v] += w[m] * row[v];
      }
    }
  }
  T* to = group_units + (position * s.maps + map) * ld;
  for (int m = 0; m < M; ++m) {
    for (int v = 0; v < V; ++v) store(to + m * ld + v * lanes<T>, acc[m][v]);
  }
}

template <class T>
void conv_forward_run(const ConvForward<T>& f, int tile, int tile_end) {
  const LocalShape& s = f.shape;
  const Bordered seen = seen_by(s), own = units_of(s);
  const TakeImages<T> take{own, f.units, f.n, f.a, f.lda};
  const Index tiles = conv_forward_tiles(f), pieces = conv_pieces<T>(s, f.n),
              blocks = pixel_blocks<T>(own);
  bool ok = true;
  for (Index piece = tile * pieces / tiles; piece < tile_end * pieces / tiles; ++piece) {
    const Group<T> group(piece / blocks, f.n);
    const Index block = piece % blocks, p0 = block * lanes<T>, p1 = min(p0 + lanes<T>, s.positions());
    const T* const x = f.x + group.begin(seen.places());
    T* const units = f.units + group.begin(own.places());
    for (Index p = p0; p < p1; ++p) {
      for_maps(s.maps, [&](Index map, auto maps) {
        for_example_vecs<T>(group.n, [&](Index v, auto vecs) {
          conv_forward_block<T, decltype(maps)::value, decltype(vecs)::value>(
              f, seen, p, map, x + v * lanes<T>, units + v * lanes<T>, group.ld);
        });
      });
    }
    T* const made = units + p0 * s.maps * group.ld;
    const Index width = (p1 - p0) * s.maps * group.ld;
    ok &= row_within_limit(made, width);
    activate(made, width, f.activation);
    take_block(take, block, group);
  }
  if (!ok) report(f.bad);
}

}  // namespace
}  // namespace fastfa

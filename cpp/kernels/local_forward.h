// a = σ(W x + b) of a locally connected layer: x_across (inputs, n) → a (n, units), overwritten. Patches
// are read where they lie; a position's weights are read once for each block of examples; units change
// their order block by block, while they are in the cache.
#pragma once

#include "kernels/local_rows_forward.h"

namespace fastfa {
namespace {

template <class T>
int local_forward_tiles(const LocalForward<T>& f) {
  return static_cast<int>(position_tiles<T>(f.shape, f.n));
}

// M maps from `map` on at one position, V vectors of examples from column c on.
template <class T, int M, int V>
inline void local_forward_block(const LocalForward<T>& f, Index position, Index map, Index c) {
  Vec<T> acc[M][V] = {};
  const T* w = f.w[position] + map;
  const auto add_run = [&](Index weight, Index pixel, Index count) {
    const T* x = f.x_across[pixel] + c;
    const T* wk = w + weight;
    for (Index i = 0; i < count; ++i, x += f.x_across.ld, wk += f.shape.maps) {
      Vec<T> row[V];
      for (int v = 0; v < V; ++v) row[v] = load(x + v * lanes<T>);
#pragma GCC unroll 8
      for (int m = 0; m < M; ++m) {
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) acc[m][v] += wk[m] * row[v];
      }
    }
  };
  for (Index channel = 0; channel < f.shape.channels; ++channel) {
    for_patch_rows(f.shape, position, channel, add_run);
  }
  for (int m = 0; m < M; ++m) {
    const Index unit = (map + m) * f.shape.positions() + position;
    const T bias = f.bias ? f.bias[unit] : T(0);
    for (int v = 0; v < V; ++v) store(f.across[unit] + c + v * lanes<T>, acc[m][v] + bias);
  }
}

template <class T>
inline bool local_forward_position(const LocalForward<T>& f, Index p) {
  for_maps(f.shape.maps, [&](Index map, auto maps) {
    for_example_vecs<T>(f.n, [&](Index v, auto vecs) {
      local_forward_block<T, decltype(maps)::value, decltype(vecs)::value>(f, p, map, v * lanes<T>);
    });
  });
  const Index width = round_up(f.n, lanes<T>);
  bool ok = true;
  for (Index m = 0; m < f.shape.maps; ++m) {
    T* a = f.across[m * f.shape.positions() + p];
    ok &= row_within_limit(a, width);
    activate(a, width, f.activation);
  }
  return ok;
}

template <class T>
void local_forward_run(const LocalForward<T>& f, int tile, int tile_end) {
  if (local_by_rows<T>(f.shape)) return local_rows_forward(f, tile, tile_end);
  bool ok = true;
  for_position_blocks<T>(f.shape, f.n, tile, tile_end, [&](Index p, Index count) {
    for (Index i = 0; i < count; ++i) ok &= local_forward_position(f, p + i);
    units_back<T>(f.shape, p, count, f.across, f.n, f.a);
  });
  if (!ok) report(f.bad);
}

}  // namespace
}  // namespace fastfa

// a = σ(W x + b) of a locally connected layer: x (inputs, n) → a (units, n), overwritten. Patches are
// read where they lie; a position's weights are read once for each block of examples.
#pragma once

#include "kernels/local.h"
#include "kernels/math.h"

namespace fastfa {
namespace {

template <class T>
int local_forward_tiles(const LocalForward<T>& f) {
  return static_cast<int>(local_tiles_of(f.shape.positions(), f.shape.units() * f.shape.patch() * f.n));
}

// M maps from `map` on at one position, V vectors of examples from column c on.
template <class T, int M, int V>
inline void local_forward_block(const LocalForward<T>& f, Index position, Index map, Index c) {
  Vec<T> acc[M][V] = {};
  const T* w = f.w + position * f.ldw + map;
  const auto add_run = [&](Index weight, Index pixel, Index count) {
    const T* x = f.x + pixel * f.ldx + c;
    const T* wk = w + weight;
    for (Index i = 0; i < count; ++i, x += f.ldx, wk += f.shape.maps) {
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
    for (int v = 0; v < V; ++v) store(f.a + unit * f.lda + c + v * lanes<T>, acc[m][v] + bias);
  }
}

template <class T>
void local_forward_run(const LocalForward<T>& f, int tile, int tile_end) {
  const Index tiles = local_forward_tiles(f), positions = f.shape.positions();
  const Index width = round_up(f.n, lanes<T>);
  bool ok = true;
  for (Index p = tile * positions / tiles; p < tile_end * positions / tiles; ++p) {
    for_maps(f.shape.maps, [&](Index map, auto maps) {
      for_example_vecs<T>(f.n, [&](Index v, auto vecs) {
        local_forward_block<T, decltype(maps)::value, decltype(vecs)::value>(f, p, map, v * lanes<T>);
      });
    });
    for (Index m = 0; m < f.shape.maps; ++m) {
      T* a = f.a + (m * positions + p) * f.lda;
      ok &= row_within_limit(a, width);
      activate(a, width, static_cast<Activation>(f.activation));
    }
  }
  if (!ok) report(f.bad);
}

}  // namespace
}  // namespace fastfa

// a = σ(W x + b) of a locally connected layer, by rows: x (n, inputs) → a (n, units), overwritten.
#pragma once

#include "kernels/local_rows.h"
#include "kernels/math.h"

namespace fastfa {
namespace {

// M maps from `map` on in a span's positions, of E examples from `example` on.
template <class T, int M, int E>
inline bool local_rows_block(const LocalForward<T>& f, const Span& span, const Reader<T>& read,
                             const Taps& taps, const T* weights, Index map, Index example) {
  const T* x = f.x[example] + span.pixel;
  const T* ahead =
      f.n > example + E ? x + E * f.x.ld : x;  // what comes next lies too far to be expected
  Vec<T> acc[E][M] = {};
  for (Index k = 0; k < taps.count; ++k) {
    const T* w = weights + (taps.weight[k] + map) * lanes<T>;
    Vec<T> pixel[E];
    for (int e = 0; e < E; ++e) pixel[e] = read(x + e * f.x.ld + taps.pixel[k]);
    __builtin_prefetch(ahead + k % E * f.x.ld + taps.pixel[k]);  // often its line is the next taps', too
#pragma GCC unroll 8
    for (int m = 0; m < M; ++m) {
      const Vec<T> row = load(w + m * lanes<T>);
#pragma GCC unroll 4
      for (int e = 0; e < E; ++e) acc[e][m] += row * pixel[e];
    }
  }
  alignas(64) T block[E * M * lanes<T>];
  for (int m = 0; m < M; ++m) {
    const Index unit = (map + m) * f.shape.positions() + span.p;
    const Vec<T> b = f.bias ? load_unaligned(f.bias + unit) : Vec<T>{};
    for (int e = 0; e < E; ++e) store(block + (e * M + m) * lanes<T>, acc[e][m] + b);
  }
  const bool ok = row_within_limit(block, E * M * lanes<T>);
  activate(block, E * M * lanes<T>, f.activation);
  const Index count = lanes<T> - span.done;
  for (int e = 0; e < E; ++e) {
    for (int m = 0; m < M; ++m) {
      const T* from = block + (e * M + m) * lanes<T>;
      T* to = f.a[example + e] + (map + m) * f.shape.positions() + span.p;
      store_unaligned(to + span.done, load_unaligned(from + span.done, count), count);
    }
  }
  return ok;
}

template <class T>
void local_rows_forward(const LocalForward<T>& f, int tile, int tile_end) {
  const LocalShape& s = f.shape;
  const Taps taps(s);
  T* weights = f.scratch + tile * s.template scratch<T>();
  bool ok = true;
  for_position_blocks<T>(s, f.n, tile, tile_end, [&](Index p, Index count) {
    const Span span = span_of<T>(s, p, count);
    const Reader<T> read(span);
    weights_across(f.w.from(span.p), s.channels * s.block(), weights);
    for_maps(s.maps, [&](Index map, auto maps) {
      for_each_few<local_vecs>(f.n, [&](Index example, auto examples) {
        ok &= local_rows_block<T, decltype(maps)::value, decltype(examples)::value>(
            f, span, read, taps, weights, map, example);
      });
    });
  });
  if (!ok) report(f.bad);
}

}  // namespace
}  // namespace fastfa

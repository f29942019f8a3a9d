// a = σ(W x + b) of a convolution: a product of patches, which lie in scratch, and W.
#pragma once

#include "kernels/conv_winograd.h"
#include "kernels/math.h"

namespace fastfa {
namespace {

template <class T>
inline Index forward_pieces(const LocalShape& s, Index n) {
  return by_winograd<T>(s) ? square_bands(s, n) : n * bands_of(s.out_w, s.out_h);
}
template <class T>
int conv_forward_tiles(const ConvForward<T>& f) {
  return conv_tiles_of(forward_pieces<T>(f.shape, f.n), conv_work(f.shape, f.n));
}

// V vectors of maps from `map` on, at M positions whose patches begin at x, one step after the other.
// The compiler must not put this function into the loop that calls it: too few registers would be left
// for pointers.
template <class T, int M, int V>
[[gnu::noinline]] void conv_tile(const ConvForward<T>& f, const PatchLayout& layout, const T* x,
                                 Index map, View<T> units) {
  Vec<T> acc[M][V];
  for (int v = 0; v < V; ++v) {
    const Vec<T> bias = f.bias ? load(f.bias + map + v * lanes<T>) : Vec<T>{};
    for (int m = 0; m < M; ++m) acc[m][v] = bias;
  }
  const T* w = f.w.data + map;
  for (Index r = 0; r < layout.runs; ++r, x += layout.run, w += layout.length * f.w.ld) {
    accumulate<T, M, V>(acc, {x, layout.step, 1, {w, f.w.ld}}, 0, layout.length);
  }
  for (int m = 0; m < M; ++m) {
    for (int v = 0; v < V; ++v) store(units[m] + map + v * lanes<T>, acc[m][v]);
  }
}

// Each of these ends with finish(values, how many) and the way of the values to `a`.
template <class T, class Finish>
inline void forward_patches(const ConvForward<T>& f, const Piece& piece, T* scratch, Finish&& finish) {
  const LocalShape& s = f.shape;
  const PatchLayout layout = patch_layout(s);
  const Index rows = piece.y1 - piece.y0;
  const T* const patches = lay_patches(s, layout, piece, f.x[piece.example], scratch);
  const View<T> units{scratch + layout.size, padded_cols(s.maps)};
  for_panels<T>(0, s.maps, [&](Index map, Index, auto vecs) {
    for (Index y = 0; y < rows; ++y) {
      for_row_tiles(s.out_w, [&](Index x, auto tall) {
        conv_tile<T, decltype(tall)::value, decltype(vecs)::value>(
            f, layout, patches + y * layout.below + x * layout.step, map, units.from(y * s.out_w + x));
      });
    }
  });
  take_band<T>(units, rows * s.out_w, s.maps, f.a[piece.example] + piece.y0 * s.out_w, s.positions(),
               finish);
}
template <class T, class Finish>
inline void forward_planes(const ConvForward<T>& f, const Piece& piece, T* scratch, Finish&& finish) {
  const LocalShape& s = f.shape;
  const Index rows = piece.y1 - piece.y0, count = rows * s.out_w;
  const Planes seen = seen_planes(s, rows);
  lay_planes(seen, f.x[piece.example], s.height, s.width, piece.y0 - s.pad_h, s.pad_w, scratch);
  const PlaneKernel<T> kernel{s.kernel_h, s.kernel_w, f.w, s.kernel_w * s.channels, f.bias};
  T* const a = f.a[piece.example] + piece.y0 * s.out_w;
  planes_product(seen, kernel, scratch, s.maps, rows, s.out_w, scratch + seen.size(),
                 [&](Index map, T* values) {
                   finish(values, round_up(count, lanes<T>));
                   take_plane(values, count, a + map * s.positions());
                 });
}

template <class T, class Finish>
inline void forward_squares(const ConvForward<T>& f, Index index, T* scratch, Finish&& finish) {
  const LocalShape& s = f.shape;
  const auto take = [&](Index example, Index y0, Index y1, View<T> units) {
    take_band<T>(units, (y1 - y0) * s.out_w, s.maps, f.a[example] + y0 * s.out_w, s.positions(), finish);
  };
  squares_forward<T>(s, {s, index, f.n, scratch}, {f.scratch, square_ld(s)}, f.bias, f.x, take);
}

template <class T>
void conv_forward_run(const ConvForward<T>& f, int tile, int tile_end) {
  const LocalShape& s = f.shape;
  const Index tiles = conv_forward_tiles(f), pieces = forward_pieces<T>(s, f.n);
  T* const scratch = f.scratch + square_weights<T>(s) + tile * conv_scratch<T>(s);
  bool ok = true;
  const auto finish = [&](T* values, Index n) {
    ok &= row_within_limit(values, n);
    activate(values, n, f.activation);
  };
  for (Index i = tile * pieces / tiles; i < tile_end * pieces / tiles; ++i) {
    if (by_winograd<T>(s)) {
      forward_squares(f, i, scratch, finish);
      continue;
    }
    const Piece piece(i, s.out_w, s.out_h);
    if (by_planes<T>(s, s.out_w, s.maps)) {
      forward_planes(f, piece, scratch, finish);
    } else {
      forward_patches(f, piece, scratch, finish);
    }
  }
  if (!ok) report(f.bad);
}

}  // namespace
}  // namespace fastfa

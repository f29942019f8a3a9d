// The optimizer's step on a convolution. First the gradient: patches times δ, summed over positions and
// examples, in chains of T over a band, then in double. Blocks of examples have sums of their own, so
// that what comes out doesn't depend on the number of threads. Then the step.
#pragma once

#include "kernels/conv_winograd.h"
#include "kernels/learn.h"
#include "kernels/sums.h"

namespace fastfa {
namespace {

constexpr Index square_chain = 256;  // squares whose products are added up in T

template <class T>
int conv_gradient_tiles(const ConvUpdate<T>& g) {
  return conv_tiles_of(conv_blocks_of(g.n), conv_work(g.shape, g.n));
}

// Adds a band's part of the gradient to `sums` (M rows of W, V vectors of maps). x points to the value
// of the first of these rows in the band's first patch, `units` are the δ of the band. Not inlined, as
// conv_tile (conv_forward.h).
template <class T, int M, int V>
[[gnu::noinline]] void gradient_tile(const LocalShape& s, const PatchLayout& layout, Index rows,
                                     const T* x, View<const T> units, View<double> sums) {
  Vec<T> acc[M][V];
  clear(acc);
  for (Index y = 0; y < rows; ++y) {
    accumulate<T, M, V>(acc, {x + y * layout.below, 1, layout.step, units.from(y * s.out_w)}, 0,
                        s.out_w);
  }
  for (int m = 0; m < M; ++m) {
    for (int v = 0; v < V; ++v) add_to<T>(sums[m] + v * lanes<T>, acc[m][v], false);
  }
}

// sums += those of a band.
template <class T>
inline void add_patches(const ConvUpdate<T>& g, const Piece& piece, T* scratch, View<double> sums) {
  const LocalShape& s = g.shape;
  const PatchLayout layout = patch_layout(s);
  const Index rows = piece.y1 - piece.y0, positions = rows * s.out_w, ld = padded_cols(s.maps);
  const T* const patches = lay_patches(s, layout, piece, g.x[piece.example], scratch);
  const View<T> units{scratch + layout.size, ld};
  lay_band({s.maps, s.out_h, s.out_w, piece.y0, rows, 0, s.out_w, ld}, g.delta[piece.example],
           units.data);
  for_panels<T>(0, s.maps, [&](Index map, Index, auto vecs) {
    constexpr int V = decltype(vecs)::value;
    Index row = 0;
    for (Index r = 0; r < layout.runs; ++r, row += layout.length) {
      for_row_tiles(layout.length, [&](Index k, auto tall) {
        gradient_tile<T, decltype(tall)::value, V>(s, layout, rows, patches + r * layout.run + k,
                                                   units.from(0, map), sums.from(row + k, map));
      });
    }
    for (int v = 0; v < V; ++v) {
      const View<T> delta = units.from(0, map + v * lanes<T>);
      add_to<T>(sums[row] + map + v * lanes<T>,
                sum_of<T>(positions, [&](Index p) { return load(delta[p]); }), false);
    }
  });
}
template <class T>
inline void add_planes(const ConvUpdate<T>& g, const Piece& piece, T* scratch, View<double> sums) {
  const LocalShape& s = g.shape;
  const Index rows = piece.y1 - piece.y0;
  const Planes seen = seen_planes(s, rows), units = unit_planes(s, rows);
  T* const delta = scratch + seen.size();
  lay_planes(seen, g.x[piece.example], s.height, s.width, piece.y0 - s.pad_h, s.pad_w, scratch);
  lay_planes(units, g.delta[piece.example], s.out_h, s.out_w, piece.y0, 0, delta);
  for_even_parts<plane_taps_maps>(s.maps, [&](Index map, auto maps) {
    for_even_parts<plane_taps>(s.kernel_w, [&](Index kx, auto taps) {
      for (Index ky = 0; ky < s.kernel_h; ++ky) {
        for (Index c = 0; c < s.channels; ++c) {
          const Index row = (ky * s.kernel_w + kx) * s.channels + c;
          planes_gradient<T, decltype(taps)::value, decltype(maps)::value>(
              seen, scratch + c * seen.plane() + ky * seen.cols + kx, units, delta + map * units.plane(),
              sums[row] + map, s.channels * sums.ld);
        }
      }
    });
  });
  for (Index m = 0; m < s.maps; ++m) {
    const T* const of_map = delta + m * units.plane();
    const Vec<T> sum =
        sum_of<T>(units.plane() / lanes<T>, [&](Index i) { return load(of_map + i * lanes<T>); });
    for (int i = 0; i < lanes<T>; ++i) sums[s.patch()][m] += static_cast<double>(sum[i]);
  }
}

// The sums of examples begin … end.
template <class T>
inline void add_examples(const ConvUpdate<T>& g, Index begin, Index end, T* scratch, View<double> sums) {
  const LocalShape& s = g.shape;
  const Index bands = bands_of(s.out_w, s.out_h);
  for (Index i = begin * bands; i < end * bands; ++i) {
    const Piece piece(i, s.out_w, s.out_h);
    if (by_planes<T>(s, s.out_w, s.maps)) {
      add_planes(g, piece, scratch, sums);
    } else {
      add_patches(g, piece, scratch, sums);
    }
  }
}
template <class T>
inline void add_examples_by_squares(const ConvUpdate<T>& g, Index begin, Index end, T* scratch,
                                    View<double> sums) {
  const LocalShape& s = g.shape;
  const SquareLayout l = square_layout(s);
  const Index bands = square_bands(s, end - begin);
  T* const products = scratch + conv_scratch<T>(s);
  for (Index i = 0; i < l.sums; ++i) products[i] = 0;
  Index chain = 0;
  for (Index i = 0; i < bands; ++i) {
    const Squares<T> band(s, i, end - begin, scratch);
    add_squares(g, band, g.x.from(begin), g.delta.from(begin), products, sums[s.patch()]);
    chain += band.count;
    if (chain < square_chain && i + 1 < bands) continue;
    end_squares(s, products, sums);
    chain = 0;
  }
}

template <class T>
void conv_gradient_run(const ConvUpdate<T>& g, int tile, int tile_end) {
  const LocalShape& s = g.shape;
  const Index tiles = conv_gradient_tiles(g), blocks = conv_blocks_of(g.n),
              size = (s.patch() + 1) * g.sums.ld;
  T* const scratch = g.scratch + tile * gradient_scratch<T>(s);
  for (Index b = tile * blocks / tiles; b < tile_end * blocks / tiles; ++b) {
    const View<double> sums = g.sums.from(b * (s.patch() + 1));
    for (Index i = 0; i < size; ++i) sums.data[i] = 0;
    const Index begin = b * g.n / blocks, end = (b + 1) * g.n / blocks;
    if (by_winograd<T>(s)) {
      add_examples_by_squares(g, begin, end, scratch, sums);
    } else {
      add_examples(g, begin, end, scratch, sums);
    }
  }
}

template <class T>
int conv_learn_tiles(const ConvUpdate<T>& l) {
  return conv_tiles_of(l.shape.patch(), l.shape.patch() * l.shape.maps * 8);
}

// Row `row` of the sums is the gradient of a row of parameters. Padding has a sum of zero.
template <class T>
inline void learn_row(const ConvUpdate<T>& l, const Learning<T>& u, Index row, T* w, T* v, T* s) {
  const Index blocks = conv_blocks_of(l.n), rows = l.shape.patch() + 1;
  for (Index c = 0; c < l.shape.maps; c += lanes<T>) {
    DoubleVec<T> sum{};
    for (Index b = 0; b < blocks; ++b) {
      DoubleVec<T> part;
      std::memcpy(&part, l.sums[b * rows + row] + c, sizeof part);
      sum += part;
    }
    const Slot<T> slot{w + c, v ? v + c : nullptr, s ? s + c : nullptr};
    apply(u, slot, rounded<T>(sum), u.decay);
  }
}

template <class T>
void conv_learn_run(const ConvUpdate<T>& l, int tile, int tile_end) {
  const Index tiles = conv_learn_tiles(l), rows = l.shape.patch();
  for (Index row = tile * rows / tiles; row < tile_end * rows / tiles; ++row) {
    const Index at = row * l.w.ld;
    learn_row<T>(l, l, row, l.w.data + at, l.v ? l.v + at : nullptr, l.s ? l.s + at : nullptr);
  }
  if (tile_end == tiles && l.bias) learn_row(l, l.of_bias(), rows, l.bias, l.v_bias, l.s_bias);
}

}  // namespace
}  // namespace fastfa

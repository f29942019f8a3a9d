// below = Wᵀδ of a convolution: each pixel gathers from the positions whose patches hold it. Pixels that
// are a stride apart see the same weights, so they are the rows of a product of δ and Wᵀ.
#pragma once

#include "kernels/conv_winograd.h"
#include "kernels/local_back.h"

namespace fastfa {
namespace {

// The columns kx of a kernel that reach pixels `phase` (mod stride), from the last to the first: that is
// the order in which the units that see such a pixel lie. They are at places `place` … `place + count`.
struct Phase {
  Index first, count, place;
  Phase(const LocalShape& s, Index phase) : first((phase + s.pad_w) % s.stride_w), count(0), place(0) {
    const auto columns = [&](Index k) {
      return k < s.kernel_w ? (s.kernel_w - 1 - k) / s.stride_w + 1 : 0;
    };
    count = columns(first);
    for (Index k = 0; k < first; ++k) place += columns(k);
  }
};

// Wᵀ, which lies at the beginning of scratch.
template <class T>
inline View<T> turned_of(const ConvBack<T>& b) {
  return {b.scratch, turned_ld<T>(b.shape)};
}

template <class T>
int conv_turn_tiles(const ConvBack<T>& t) {
  const Index most =
      by_winograd<T>(t.shape) ? round_up(t.shape.maps, lanes<T>) / lanes<T> : t.shape.kernel_h;
  return conv_tiles_of(most, t.shape.patch() * t.shape.maps);
}
template <class T>
void conv_turn_run(const ConvBack<T>& t, int tile, int tile_end) {
  const LocalShape& s = t.shape;
  const View<T> turned = turned_of(t);
  const Index tiles = conv_turn_tiles(t);
  constexpr Index whole = lanes<T>;
  if (by_winograd<T>(s)) {
    const Index vectors = round_up(s.maps, whole) / whole;
    turn_for_squares(t, tile * vectors / tiles * whole, min(tile_end * vectors / tiles * whole, s.maps));
    return;
  }
  for (Index ky = tile * s.kernel_h / tiles; ky < tile_end * s.kernel_h / tiles; ++ky) {
    for (Index phase = 0; phase < s.stride_w; ++phase) {
      const Phase of(s, phase);
      for (Index j = 0; j < of.count; ++j) {
        const Index kx = of.first + (of.count - 1 - j) * s.stride_w;
        const View<const T> from = t.w.from((ky * s.kernel_w + kx) * s.channels);
        const View<T> to = turned.from((ky * s.kernel_w + of.place + j) * s.maps);
        turn(from, s.channels, s.maps, to);
      }
    }
  }
}

template <class T>
inline Index back_pieces(const LocalShape& s, Index n) {
  return by_winograd<T>(s) ? square_bands(back_shape(s), n) : n * bands_of(s.width, s.height);
}
template <class T>
int conv_back_tiles(const ConvBack<T>& b) {
  return conv_tiles_of(back_pieces<T>(b.shape, b.n), conv_work(b.shape, b.n));
}

// V vectors of channels of M pixels that are a stride apart: the product of δ and W, for each row of the
// kernel that reaches them. δ of the next row lies `down` further, its weights `up` before. Not inlined,
// as conv_tile (conv_forward.h).
template <class T, int M, int V>
[[gnu::noinline]] void back_tile(const Operand<T>& product, Index length, Index kernel_rows, Index down,
                                 Index up, T* to, Index next) {
  Vec<T> acc[M][V];
  clear(acc);
  Operand<T> x = product;
  for (Index r = 0; r < kernel_rows; ++r, x.a += down, x.b.data -= up)
    accumulate<T, M, V>(acc, x, 0, length);
  for (int m = 0; m < M; ++m) {
    for (int v = 0; v < V; ++v) store(to + m * next + v * lanes<T>, acc[m][v]);
  }
}

// A row y of pixels, V vectors of channels from `channel` on: `units` are rows oy0 … of those around.
template <class T, int V>
inline void conv_back_row(const ConvBack<T>& b, const UnitLayout& layout, const T* units, Index oy0,
                          Index y, Index channel, View<T> row) {
  const LocalShape& s = b.shape;
  const View<T> turned = turned_of(b);
  Index first, end;
  positions_of(y, s.pad_h, s.kernel_h, s.stride_h, s.out_h, first, end);
  const Index ky = y + s.pad_h - first * s.stride_h, kernel_row = s.kernel_w * s.maps * turned.ld;
  for (Index phase = 0; phase < min(s.stride_w, s.width); ++phase) {
    const Phase of(s, phase);
    const Index pixels = (s.width - phase + s.stride_w - 1) / s.stride_w;
    // The first unit that sees pixel `phase`.
    const Index unit = (phase + s.pad_w - of.first) / s.stride_w - (of.count - 1) + layout.left;
    const T* const delta = units + ((first - oy0) * layout.cols + unit) * s.maps;
    const View<T> w = turned.from((ky * s.kernel_w + of.place) * s.maps, channel);
    for_row_tiles(pixels, [&](Index i, auto rows) {
      back_tile<T, decltype(rows)::value, V>({delta + i * s.maps, s.maps, 1, w}, of.count * s.maps,
                                             of.count ? end - first : 0, layout.cols * s.maps,
                                             s.stride_h * kernel_row,
                                             row[phase + i * s.stride_w] + channel, s.stride_w * row.ld);
    });
  }
}

template <class T>
inline void back_rows(const ConvBack<T>& b, const Piece& piece, T* scratch) {
  const LocalShape& s = b.shape;
  const UnitLayout layout = unit_layout(s);
  const View<T> below{scratch + layout.size, padded_cols(s.channels)};
  Index oy0, oy1, unused;
  positions_of(piece.y0, s.pad_h, s.kernel_h, s.stride_h, s.out_h, oy0, unused);
  positions_of(piece.y1 - 1, s.pad_h, s.kernel_h, s.stride_h, s.out_h, unused, oy1);
  lay_band({s.maps, s.out_h, s.out_w, oy0, max(0, oy1 - oy0), layout.left, layout.cols, s.maps},
           b.delta[piece.example], scratch);
  for_panels<T>(0, s.channels, [&](Index channel, Index, auto vecs) {
    for (Index y = piece.y0; y < piece.y1; ++y) {
      conv_back_row<T, decltype(vecs)::value>(b, layout, scratch, oy0, y, channel,
                                              below.from((y - piece.y0) * s.width));
    }
  });
  take_band<T>(below, (piece.y1 - piece.y0) * s.width, s.channels,
               b.below[piece.example] + piece.y0 * s.width, s.height * s.width, [](T*, Index) {});
}
// With a stride of 1 it is a convolution of δ with the kernel turned round.
template <class T>
inline void back_by_planes(const ConvBack<T>& b, const Piece& piece, T* scratch) {
  const LocalShape& s = b.shape;
  const View<T> turned = turned_of(b);
  const Index rows = piece.y1 - piece.y0, count = rows * s.width, down = s.kernel_w * s.maps;
  const Planes units = back_planes(s, rows);
  lay_planes(units, b.delta[piece.example], s.out_h, s.out_w, piece.y0 + s.pad_h - s.kernel_h + 1,
             s.kernel_w - 1 - s.pad_w, scratch);
  const PlaneKernel<T> kernel{s.kernel_h, s.kernel_w, turned.from((s.kernel_h - 1) * down), -down,
                              nullptr};
  T* const below = b.below[piece.example] + piece.y0 * s.width;
  planes_product(units, kernel, scratch, s.channels, rows, s.width, scratch + units.size(),
                 [&](Index channel, const T* values) {
                   take_plane(values, count, below + channel * s.height * s.width);
                 });
}

template <class T>
inline void back_squares(const ConvBack<T>& b, Index index, T* scratch) {
  const LocalShape s = back_shape(b.shape);
  const auto take = [&](Index example, Index y0, Index y1, View<T> pixels) {
    take_band<T>(pixels, (y1 - y0) * s.out_w, s.maps, b.below[example] + y0 * s.out_w, s.positions(),
                 [](T*, Index) {});
  };
  squares_forward<T>(s, {s, index, b.n, scratch}, {b.scratch, square_ld(s)}, nullptr, b.delta, take);
}

template <class T>
void conv_back_run(const ConvBack<T>& b, int tile, int tile_end) {
  const LocalShape& s = b.shape;
  const Index tiles = conv_back_tiles(b), pieces = back_pieces<T>(s, b.n);
  T* const scratch = b.scratch + turned_room<T>(s) + tile * back_scratch<T>(s);
  for (Index i = tile * pieces / tiles; i < tile_end * pieces / tiles; ++i) {
    if (by_winograd<T>(s)) {
      back_squares(b, i, scratch);
      continue;
    }
    const Piece piece(i, s.width, s.height);
    if (by_planes<T>(s, s.width, s.channels)) {
      back_by_planes(b, piece, scratch);
    } else {
      back_rows(b, piece, scratch);
    }
  }
}

}  // namespace
}  // namespace fastfa

// Convolutions with 3 × 3 kernels and a stride of 1, by Winograd's algorithm F(2 × 2, 3 × 3) (Lavin &
// Gray, arXiv 1509.09308): 16 multiplications for a square of 2 × 2 units instead of 36.
//
//   forward    y  = A  [ (G w Gᵀ) ∘ (B x Bᵀ) ] Aᵀ      x: the 4 × 4 pixels that the square sees
//   gradient   dw = Gᵀ [ Σ (Aᵀ δ A) ∘ (B x Bᵀ) ] G     Σ over squares
//
// ∘ multiplies the 16 numbers of a square one by one. With channels and maps each of them is a product
// of matrices, which is formed as all others are. The error goes back as a convolution of δ with the
// kernel turned round.
#pragma once

#include "kernels/conv_planes.h"
#include "kernels/winograd.h"

namespace fastfa {
namespace {

// The 16 matrices of the weights: from row (ky, kx, channel) to row (product, channel).
template <class T>
int conv_weights_tiles(const ConvForward<T>& f) {
  return conv_tiles_of(f.shape.channels, f.shape.patch() * f.shape.maps);
}
template <class T>
void conv_weights_run(const ConvForward<T>& f, int tile, int tile_end) {
  const LocalShape& s = f.shape;
  const Index tiles = conv_weights_tiles(f), ld = square_ld(s), next = s.channels * f.w.ld,
              to = s.channels * ld;
  for (Index c = tile * s.channels / tiles; c < tile_end * s.channels / tiles; ++c) {
    for (Index m = 0; m < s.maps; m += lanes<T>) {
      Vec<T> w[3][3], made[4][4];
      load_square(f.w[c] + m, 3 * next, next, w);
      both_ways(w, made, OfKernel{});
      store_square(made, 4 * to, to, f.scratch + c * ld + m);
    }
  }
}
// The same of Wᵀ turned round: row (product, map), column channel.
template <class T>
inline void turn_for_squares(const ConvBack<T>& t, Index m0, Index m1) {
  const LocalShape& s = t.shape;
  const Index ld = square_ld(back_shape(s)), to = s.maps * ld;
  constexpr Index whole = lanes<T>;
  for (Index m = m0; m < m1; m += whole) {
    for (Index c = 0; c < s.channels; c += whole) {
      Vec<T> turned[9][lanes<T>];
      for (Index k = 0; k < 9; ++k) {
        const View<const T> from = t.w.from((8 - k) * s.channels, m);
        for (Index i = 0; i < whole; ++i) {
          turned[k][i] = c + i < s.channels ? load(from[c + i]) : Vec<T>{};
        }
        transpose_block<T>(turned[k]);
      }
      for (Index i = 0; i < min(whole, s.maps - m); ++i) {
        Vec<T> w[3][3], made[4][4];
        for (int k = 0; k < 9; ++k) w[k / 3][k % 3] = turned[k][i];
        both_ways(w, made, OfKernel{});
        store_square(made, 4 * to, to, t.scratch + (m + i) * ld + c);
      }
    }
  }
}

// A band of squares in scratch: rows y0 … y1 of the squares of an image, or the whole of several.
template <class T>
struct Squares {
  SquareLayout layout;
  Index example, examples, y0, wide, high, count;
  T *image, *seen, *made, *units;
  Index next_seen, next_made;  // from a matrix to the next one; their rows are squares

  // The band of this index among those of examples 0 … n.
  Squares(const LocalShape& s, Index index, Index n, T* scratch) : layout(square_layout(s)) {
    const Piece rows(index, layout.wide, layout.high, band_squares);
    example = rows.example * layout.examples;
    examples = min(layout.examples, n - example);
    y0 = rows.y0;
    wide = layout.wide;
    high = rows.y1 - rows.y0;
    count = examples * high * wide;
    image = scratch;
    seen = image + layout.image;
    made = seen + layout.seen;
    units = made + layout.products;
    next_seen = count * layout.channels + apart;
    next_made = count * panel<T> + apart;
  }

  // f(number of a square, its example in the band, its row, its column)
  template <class F>
  void each(F&& f) const {
    for (Index e = 0, i = 0; e < examples; ++e) {
      for (Index y = 0; y < high; ++y) {
        for (Index x = 0; x < wide; ++x, ++i) f(i, e, y, x);
      }
    }
  }
};
inline Index square_bands(const LocalShape& s, Index n) {
  const SquareLayout l = square_layout(s);
  return (n + l.examples - 1) / l.examples * bands_of(l.wide, l.high, band_squares);
}

// B x Bᵀ of a row of squares, a vector of channels. Neighbours share two columns of pixels.
template <class T>
inline void see_row(const T* pixels, Index down, Index right, Index wide, Index next, T* to) {
  Vec<T> column[4][4];  // B x of each column
  const auto look = [&](Index at, Vec<T>(&made)[4]) {
    Vec<T> x[4];
    for (int i = 0; i < 4; ++i) x[i] = load(pixels + i * down + at * right);
    OfPixels{}(x, made);
  };
  look(0, column[0]);
  look(1, column[1]);
  for (Index x = 0; x < wide; ++x, to += right) {
    look(2 * x + 2, column[2]);
    look(2 * x + 3, column[3]);
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      const Vec<T> row[4] = {column[0][i], column[1][i], column[2][i], column[3][i]};
      Vec<T> made[4];
      OfPixels{}(row, made);
      for (int j = 0; j < 4; ++j) store(to + (4 * i + j) * next, made[j]);
      column[0][i] = column[2][i];
      column[1][i] = column[3][i];
    }
  }
}
// The same of a band.
template <class T>
inline void see_squares(const LocalShape& s, const Squares<T>& band, View<const T> images) {
  const SquareLayout& l = band.layout;
  const Index down = l.cols * l.channels, row = band.wide * l.channels;
  T* to = band.seen;
  for (Index e = 0; e < band.examples; ++e) {
    lay_band({s.channels, s.height, s.width, 2 * band.y0 - s.pad_h, 2 * band.high + 2, s.pad_w, l.cols,
              l.channels},
             images[band.example + e], band.image);
    for (Index y = 0; y < band.high; ++y, to += row) {
      for (Index c = 0; c < s.channels; c += lanes<T>) {
        see_row(band.image + 2 * y * down + c, down, l.channels, band.wide, band.next_seen, to + c);
      }
    }
  }
}

// M rows and V vectors of a product. Not inlined, as conv_tile (conv_forward.h).
template <class T, int M, int V>
[[gnu::noinline]] void square_tile(const Operand<T>& x, Index length, View<T> to, bool add) {
  Vec<T> acc[M][V];
  for (int m = 0; m < M; ++m) {
    for (int v = 0; v < V; ++v) acc[m][v] = add ? load(to[m] + v * lanes<T>) : Vec<T>{};
  }
  accumulate<T, M, V>(acc, x, 0, length);
  for (int m = 0; m < M; ++m) {
    for (int v = 0; v < V; ++v) store(to[m] + v * lanes<T>, acc[m][v]);
  }
}

// y of all maps of a band, in scratch, each unit with its maps side by side; then take(example, y0, y1,
// units) for each example and its rows.
template <class T, class Take>
inline void squares_forward(const LocalShape& s, const Squares<T>& band, View<const T> w, const T* bias,
                            View<const T> images, Take&& take) {
  const SquareLayout& l = band.layout;
  const Index y0 = 2 * band.y0, y1 = min(y0 + 2 * band.high, s.out_h), units = (y1 - y0) * s.out_w;
  see_squares(s, band, images);
  for_panels<T>(0, s.maps, [&](Index map, Index, auto vecs) {
    constexpr int V = decltype(vecs)::value;
    for (Index p = 0; p < square_products; ++p) {
      for_row_tiles(band.count, [&](Index i, auto tall) {
        square_tile<T, decltype(tall)::value, V>(
            {band.seen + p * band.next_seen + i * l.channels, l.channels, 1,
             w.from(p * s.channels, map)},
            s.channels, {band.made + p * band.next_made + i * panel<T>, panel<T>}, false);
      });
    }
    band.each([&](Index i, Index e, Index y, Index x) {
      T* const to = band.units + (e * units + 2 * (y * s.out_w + x)) * l.maps + map;
      for (Index v = 0; v < V * lanes<T>; v += lanes<T>) {
        Vec<T> products[4][4], sums[2][2];
        load_square(band.made + i * panel<T> + v, 4 * band.next_made, band.next_made, products);
        both_ways(products, sums, ToUnits{});
        const Vec<T> b = bias ? load(bias + map + v) : Vec<T>{};
        for (Index r = 0; r < min(2, y1 - y0 - 2 * y); ++r) {
          for (Index c = 0; c < min(2, s.out_w - 2 * x); ++c) {
            store(to + (r * s.out_w + c) * l.maps + v, sums[r][c] + b);
          }
        }
      }
    });
  });
  for (Index e = 0; e < band.examples; ++e) {
    take(band.example + e, y0, y1, View<T>{band.units + e * units * l.maps, l.maps});
  }
}

// sums (rows (product, channel)) += the products of a band; and to the sums of the bias.
template <class T>
inline void add_squares(const ConvUpdate<T>& g, const Squares<T>& band, View<const T> images,
                        View<const T> deltas, T* sums, double* bias) {
  const LocalShape& s = g.shape;
  const SquareLayout& l = band.layout;
  const Index down = 2 * l.wide * l.maps, size = 2 * band.high * down, next = band.next_made;
  see_squares(s, band, images);
  for (Index e = 0; e < band.examples; ++e) {
    lay_band({s.maps, s.out_h, s.out_w, 2 * band.y0, 2 * band.high, 0, 2 * l.wide, l.maps},
             deltas[band.example + e], band.units + e * size);
  }
  for_panels<T>(0, s.maps, [&](Index map, Index, auto vecs) {
    constexpr int V = decltype(vecs)::value;
    band.each([&](Index i, Index e, Index y, Index x) {
      for (Index v = 0; v < V * lanes<T>; v += lanes<T>) {
        Vec<T> delta[2][2], made[4][4];
        load_square(band.units + e * size + 2 * (y * down + x * l.maps) + map + v, down, l.maps, delta);
        both_ways(delta, made, OfUnits{});
        store_square(made, 4 * next, next, band.made + i * panel<T> + v);
      }
    });
    for (Index p = 0; p < square_products; ++p) {
      for_row_tiles(s.channels, [&](Index c, auto tall) {
        square_tile<T, decltype(tall)::value, V>(
            {band.seen + p * band.next_seen + c, 1, l.channels, {band.made + p * next, panel<T>}},
            band.count, View<T>{sums, l.maps}.from(p * s.channels + c, map), true);
      });
    }
    for (Index v = 0; v < V * lanes<T>; v += lanes<T>) {
      const T* const delta = band.units + map + v;
      const Vec<T> sum = sum_of<T>(4 * band.count, [&](Index i) { return load(delta + i * l.maps); });
      add_to<T>(bias + map + v, sum, false);
    }
  });
}

// Adds what the sums of products say of the gradient to `gradient`, row (ky, kx, channel), and begins
// them anew.
template <class T>
inline void end_squares(const LocalShape& s, T* sums, View<double> gradient) {
  const SquareLayout l = square_layout(s);
  const Index next = s.channels * l.maps;
  for (Index c = 0; c < s.channels; ++c) {
    for (Index m = 0; m < s.maps; m += lanes<T>) {
      Vec<T> products[4][4], w[3][3];
      const Vec<T> zero[4][4] = {};
      load_square(sums + c * l.maps + m, 4 * next, next, products);
      store_square(zero, 4 * next, next, sums + c * l.maps + m);
      both_ways(products, w, ToKernel{});
      for (Index k = 0; k < 9; ++k) {
        add_to<T>(gradient[k * s.channels + c] + m, w[k / 3][k % 3], false);
      }
    }
  }
}

}  // namespace
}  // namespace fastfa

// Convolutions by factors rounded to bf16. Forward and back are products of patches, whose rows are
// rounded in scratch, and words of W (bf16.h). The gradient is a product of δᵀ and words of patches.
#pragma once

#include "kernels/bf16_conv_layout.h"
#include "kernels/bf16_factors.h"
#include "kernels/conv.h"
#include "kernels/math.h"
#include "kernels/sums.h"

namespace fastfa {
namespace {

// Rounds `count` numbers. It writes whole vectors, so it also writes some numbers behind the last one.
inline void round_run(const float* from, Index count, Bf16* to) {
  for (Index i = 0; i < count; i += 2 * n_lanes) {
    const Words words = words_of(load_unaligned(from + i), load_unaligned(from + i + n_lanes));
    std::memcpy(to + i, &words, sizeof words);
  }
}
inline void end_row(Bf16* row, Index k) {
  std::memset(row + k, 0, static_cast<std::size_t>(bf16_padded(k) - k) * sizeof(Bf16));
}

// Calls f(piece, place of its first position in the lot) for each piece of a lot. Returns the number of
// positions in the lot.
template <class F>
inline Index for_pieces(const LocalShape& s, Index lot, Index n, F&& f) {
  const Index own = lot_pieces(s), pieces = n * bands_of(s.out_w, s.out_h);
  Index position = 0;
  for (Index i = lot * own; i < min((lot + 1) * own, pieces); ++i) {
    const Piece piece(i, s.out_w, s.out_h);
    f(piece, position);
    position += (piece.y1 - piece.y0) * s.out_w;
  }
  return position;
}

// Calls f(where a patch begins, its position) for the patches of a piece.
template <class F>
inline void for_patches(const LocalShape& s, const PatchLayout& layout, const Piece& piece,
                        const float* patches, F&& f) {
  for (Index y = 0, position = 0; y < piece.y1 - piece.y0; ++y) {
    for (Index x = 0; x < s.out_w; ++x, ++position) {
      f(patches + y * layout.below + x * layout.step, position);
    }
  }
}

// A panel of W, whose rows row(k) gives.
template <class Row>
inline void pack_weights(Index k, Index cols, Word* to, Row&& row) {
  pack_pairs(0, k, words_of_panel(k), cols > n_lanes, to, row);
}

// The product for all positions of a lot and all maps. seen(example) returns the input of the
// convolution. take(piece, units) receives the result.
template <class Seen, class Take>
inline void patches_product(const LocalShape& s, Index lot, Index n, const Word* w, const float* bias,
                            const ConvInBf16& room, float* scratch, Seen&& seen, Take&& take) {
  const PatchLayout layout = patch_layout(s);
  const Index k = s.patch(), words = words_of_panel(k);
  float* const image = scratch + room.spread;
  const View<Bf16> left{reinterpret_cast<Bf16*>(image + room.patches), bf16_ld(k)};
  const View<float> units{image + room.patches + room.left, padded_cols(s.maps)};
  const Index positions = for_pieces(s, lot, n, [&](const Piece& piece, Index first) {
    const float* const patches = lay_patches(s, layout, piece, seen(piece.example), image);
    for_patches(s, layout, piece, patches, [&](const float* patch, Index position) {
      Bf16* const row = left[first + position];
      for (Index r = 0; r < layout.runs; ++r) {
        round_run(patch + r * layout.run, layout.length, row + r * layout.length);
      }
      end_row(row, k);
    });
  });
  alignas(64) float sums[chunk_rows * panel_words];
  for_panels<float>(0, s.maps, [&](Index map, Index cols, auto) {
    for (Index row = 0; row < positions; row += chunk_rows) {
      const Index rows = min(chunk_rows, positions - row);
      Unit(rows).multiply(left.from(row), rows, w + map * words, words, sums, false);
      for (Index i = 0; i < cols; i += n_lanes) {
        const Floats b = bias ? load(bias + map + i) : Floats{};
        for (Index r = 0; r < rows; ++r) {
          store(units[row + r] + map + i, load(sums + r * panel_words + i) + b);
        }
      }
    }
  });
  for_pieces(s, lot, n, [&](const Piece& piece, Index first) { take(piece, units.from(first)); });
}

inline Word* words_in(float* scratch) { return reinterpret_cast<Word*>(scratch); }
inline Index panels_in(Index cols) { return (cols + panel_words - 1) / panel_words; }

int conv_weights_tiles(const ConvForward<float>& f) {
  return conv_tiles_of(panels_in(f.shape.maps), f.shape.patch() * f.shape.maps);
}
void conv_weights_run(const ConvForward<float>& f, int tile, int tile_end) {
  const Index k = f.shape.patch(), panels = panels_in(f.shape.maps), tiles = conv_weights_tiles(f);
  for (Index p = tile * panels / tiles; p < tile_end * panels / tiles; ++p) {
    const Index map = p * panel_words;
    pack_weights(k, f.shape.maps - map, words_in(f.scratch) + map * words_of_panel(k),
                 [&](Index i) { return f.w[i] + map; });
  }
}

int conv_forward_tiles(const ConvForward<float>& f) {
  return conv_tiles_of(lots_of(f.shape, f.n), conv_work(f.shape, f.n));
}
void conv_forward_run(const ConvForward<float>& f, int tile, int tile_end) {
  const LocalShape& s = f.shape;
  const Index tiles = conv_forward_tiles(f), lots = lots_of(s, f.n);
  const ConvInBf16 room = product_in_bf16(s, false);
  float* const scratch = f.scratch + conv_words(s.patch(), s.maps) + tile * room.size();
  bool ok = true;
  for (Index lot = tile * lots / tiles; lot < tile_end * lots / tiles; ++lot) {
    patches_product(
        s, lot, f.n, words_in(f.scratch), f.bias, room, scratch,
        [&](Index example) { return f.x[example]; },
        [&](const Piece& piece, View<float> units) {
          take_band<float>(units, (piece.y1 - piece.y0) * s.out_w, s.maps,
                           f.a[piece.example] + piece.y0 * s.out_w, s.positions(),
                           [&](float* values, Index count) {
                             ok &= row_within_limit(values, count);
                             activate(values, count, f.activation);
                           });
        });
  }
  if (!ok) report(f.bad);
}

// Wᵀ turned round, a panel of channels at a time: row (ky, kx, map), column channel.
int conv_turn_tiles(const ConvBack<float>& b) {
  return conv_tiles_of(panels_in(b.shape.channels), b.shape.patch() * b.shape.maps);
}
void conv_turn_run(const ConvBack<float>& b, int tile, int tile_end) {
  const LocalShape& s = b.shape;
  const Index k = s.kernel_h * s.kernel_w * s.maps, panels = panels_in(s.channels),
              tiles = conv_turn_tiles(b);
  float* const turned = b.scratch + conv_words(k, s.channels) + tile * back_tile_in_bf16(s);
  for (Index p = tile * panels / tiles; p < tile_end * panels / tiles; ++p) {
    const Index first = p * panel_words;
    for (Index pixel = 0; pixel < s.kernel_h * s.kernel_w; ++pixel) {
      const View<const float> from =
          b.w.from((s.kernel_h * s.kernel_w - 1 - pixel) * s.channels + first);
      turn(from, min(panel_words, s.channels - first), s.maps,
           View<float>{turned + pixel * s.maps * panel_words, panel_words});
    }
    pack_weights(k, s.channels - first, words_in(b.scratch) + first * words_of_panel(k),
                 [&](Index i) { return turned + i * panel_words; });
  }
}

int conv_back_tiles(const ConvBack<float>& b) {
  return conv_tiles_of(lots_of(spread_shape(b.shape), b.n), conv_work(b.shape, b.n));
}
// Units with zeros between them, channel by channel.
inline const float* spread_units(const LocalShape& s, const float* flat, float* to) {
  const LocalShape b = spread_shape(s);
  std::memset(to, 0, static_cast<std::size_t>(b.inputs()) * sizeof(float));
  for (Index map = 0; map < s.maps; ++map) {
    for (Index y = 0; y < s.out_h; ++y) {
      float* const row = to + (map * b.height + y * s.stride_h) * b.width;
      for (Index x = 0; x < s.out_w; ++x) row[x * s.stride_w] = *flat++;
    }
  }
  return to;
}
void conv_back_run(const ConvBack<float>& b, int tile, int tile_end) {
  const LocalShape s = spread_shape(b.shape);
  const Index tiles = conv_back_tiles(b), lots = lots_of(s, b.n);
  const bool spread = spreads(b.shape);
  float* const scratch = b.scratch + conv_words(s.patch(), s.maps) + tile * back_tile_in_bf16(b.shape);
  for (Index lot = tile * lots / tiles; lot < tile_end * lots / tiles; ++lot) {
    patches_product(
        s, lot, b.n, words_in(b.scratch), nullptr, product_in_bf16(s, spread), scratch,
        [&](Index example) {
          return spread ? spread_units(b.shape, b.delta[example], scratch) : b.delta[example];
        },
        [&](const Piece& piece, View<float> pixels) {
          take_band<float>(pixels, (piece.y1 - piece.y0) * s.out_w, s.maps,
                           b.below[piece.example] + piece.y0 * s.out_w, s.positions(),
                           [](float*, Index) {});
        });
  }
}

}  // namespace
}  // namespace fastfa

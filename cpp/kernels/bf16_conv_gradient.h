// The gradient of a convolution by factors rounded to bf16: a product of δᵀ (maps × positions) and
// patches (positions × patch), which is summed over lots in float32, and over several of them in double.
#pragma once

#include "kernels/bf16_conv.h"

namespace fastfa {
namespace {

constexpr Index chain_positions = 1024;  // whose products are added up in float32

// Puts δᵀ of a piece into that of its lot, rounded, and adds δ to the sums of the bias.
inline void lay_deltas(const ConvUpdate<float>& g, const Piece& piece, Index first, View<Bf16> left,
                       double* bias) {
  const LocalShape& s = g.shape;
  const Index count = (piece.y1 - piece.y0) * s.out_w;
  for (Index m = 0; m < s.maps; ++m) {
    const float* const delta = g.delta[piece.example] + m * s.positions() + piece.y0 * s.out_w;
    Floats sum{};
    for (Index i = 0; i < count; i += 2 * n_lanes) {
      const Floats low = load_within(delta + i, count - i),
                   high = load_within(delta + i + n_lanes, count - i - n_lanes);
      const Words words = words_of(low, high);
      std::memcpy(left[m] + first + i, &words, sizeof words);
      sum += low + high;
    }
    for (int i = 0; i < n_lanes; ++i) bias[m] += static_cast<double>(sum[i]);
  }
}

// Calls f(its first row of W, where it begins in a patch, its columns, its number) for each panel of
// neighbouring values of a patch.
template <class F>
inline void for_patch_panels(const PatchLayout& layout, F&& f) {
  Index number = 0;
  for (Index r = 0; r < layout.runs; ++r) {
    for_panels<float>(0, layout.length, [&](Index c, Index cols, auto) {
      f(r * layout.length + c, r * layout.run + c, cols, number++);
    });
  }
}

// Adds sums (maps × a panel of rows of W) to those in double, and turns them round.
inline void add_turned(const float* sums, Index maps, Index cols, View<double> to) {
  for (Index m = 0; m < maps; m += n_lanes) {
    for (Index c = 0; c < cols; c += n_lanes) {
      Floats block[n_lanes];
      for (Index i = 0; i < n_lanes; ++i) {
        block[i] = m + i < maps ? load(sums + (m + i) * panel_words + c) : Floats{};
      }
      transpose_block<float>(block);
      for (Index i = 0; i < min(n_lanes, cols - c); ++i) add_to<float>(to[c + i] + m, block[i], false);
    }
  }
}

// The sums of examples begin … end.
inline void add_lots(const ConvUpdate<float>& g, Index begin, Index end, float* scratch,
                     View<double> to) {
  const LocalShape& s = g.shape;
  const PatchLayout layout = patch_layout(s);
  const GradientInBf16 room = gradient_in_bf16(s);
  const float** const places = reinterpret_cast<const float**>(scratch + room.patches);
  const View<Bf16> left{reinterpret_cast<Bf16*>(scratch + room.patches + room.places),
                        bf16_ld(most_positions(s))};
  Word* const panel = words_in(scratch + room.patches + room.places + room.left);
  float* const sums = scratch + room.size() - room.sums;
  const Index of_panel = (bf16_padded(s.maps) + 32) * panel_words;
  const Index lots = lots_of(s, end - begin);
  Index chain = 0;
  for (Index lot = 0; lot < lots; ++lot) {
    Index number = 0;
    const Index positions = for_pieces(s, lot, end - begin, [&](Piece piece, Index first) {
      piece.example += begin;
      const float* const patches =
          lay_patches(s, layout, piece, g.x[piece.example], scratch + number++ * layout.size);
      for_patches(s, layout, piece, patches,
                  [&](const float* patch, Index position) { places[first + position] = patch; });
      lay_deltas(g, piece, first, left, to[s.patch()]);
    });
    for (Index m = 0; m < s.maps; ++m) end_row(left[m], positions);
    const Index words = words_of_panel(positions);
    const bool last = lot + 1 == lots || chain + positions >= chain_positions;
    for_patch_panels(layout, [&](Index row, Index at, Index cols, Index i) {
      pack_pairs(0, positions, words, cols > n_lanes, panel, [&](Index p) { return places[p] + at; });
      Unit(s.maps).multiply(left, s.maps, panel, words, sums + i * of_panel, chain > 0);
      if (last) add_turned(sums + i * of_panel, s.maps, cols, to.from(row));
    });
    chain = last ? 0 : chain + positions;
  }
}

int conv_gradient_tiles(const ConvUpdate<float>& g) {
  return conv_tiles_of(conv_blocks_of(g.n), conv_work(g.shape, g.n));
}
void conv_gradient_run(const ConvUpdate<float>& g, int tile, int tile_end) {
  const LocalShape& s = g.shape;
  const Index tiles = conv_gradient_tiles(g), blocks = conv_blocks_of(g.n);
  float* const scratch = g.scratch + tile * gradient_in_bf16(s).size();
  for (Index b = tile * blocks / tiles; b < tile_end * blocks / tiles; ++b) {
    const View<double> sums = g.sums.from(b * (s.patch() + 1));
    std::memset(sums.data, 0, static_cast<std::size_t>((s.patch() + 1) * sums.ld) * sizeof(double));
    add_lots(g, b * g.n / blocks, (b + 1) * g.n / blocks, scratch, sums);
  }
}

}  // namespace
}  // namespace fastfa

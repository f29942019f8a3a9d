// Convolutions whose factors are rounded to bf16: what they keep in scratch memory, and how much of it
// they need. Sizes are in floats.
#pragma once

#include "kernels/bf16_ops.h"
#include "kernels/conv_layout.h"

namespace fastfa {

// The left factor has a row for each position: its patch. The right factor is W. The product is formed
// in lots. A lot is one band, or several small images. It has about this many positions.
constexpr Index lot_positions = 128;
constexpr Index most_of_lot = 1 << 20;  // numbers of several pieces' patches, 2 MiB of the left factor
constexpr Index widest_panel = 32;      // columns of a panel, with the longest vectors

// Pieces (conv.h) of a lot.
constexpr Index lot_pieces(const LocalShape& s) {
  const Index positions = band_rows(s.out_w, s.out_h) * s.out_w;
  const Index fit = most_of_lot / (positions * s.patch()), own = lot_positions / positions;
  return larger(own < fit ? own : fit, 1);
}
constexpr Index lots_of(const LocalShape& s, Index n) {
  const Index pieces = n * bands_of(s.out_w, s.out_h);
  return (pieces + lot_pieces(s) - 1) / lot_pieces(s);
}
constexpr Index most_positions(const LocalShape& s) {
  return lot_pieces(s) * band_rows(s.out_w, s.out_h) * s.out_w;
}

// Words of a factor with k rows: in one panel, and in all columns. A word holds two rows of a column.
constexpr Index words_of_panel(Index k) { return bf16_padded(k) / 2; }
constexpr Index conv_words(Index k, Index cols) { return words_of_panel(k) * bf16_padded(cols); }

// The convolution of δ that brings errors back. If the stride is larger than 1, there are zeros between
// the units.
constexpr LocalShape spread_shape(const LocalShape& s) {
  LocalShape spread = s;
  spread.out_h = (s.out_h - 1) * s.stride_h + 1;
  spread.out_w = (s.out_w - 1) * s.stride_w + 1;
  spread.stride_h = spread.stride_w = 1;
  return back_shape(spread);
}
constexpr bool spreads(const LocalShape& s) { return s.stride_h > 1 || s.stride_w > 1; }

// Scratch of one tile of the product. These four follow each other: units with zeros between them,
// patches, the left factor, the result.
struct ConvInBf16 {
  Index spread, patches, left, made;
  constexpr Index size() const { return spread + patches + left + made; }
};
constexpr ConvInBf16 product_in_bf16(const LocalShape& s, bool spread) {
  const Index rows = most_positions(s);
  return {spread ? scratch_of(s.inputs()) : 0, patch_layout(s).size,
          scratch_of(bf16_size(rows, s.patch()) / 2), scratch_of(rows * padded_cols(s.maps))};
}
// Scratch of one block of the gradient. These five follow each other: the patches of a lot, pointers to
// each of them, the left factor δᵀ, one panel of the right factor, the sums.
struct GradientInBf16 {
  Index patches, places, left, panel, sums;
  constexpr Index size() const { return patches + places + left + panel + sums; }
};
constexpr GradientInBf16 gradient_in_bf16(const LocalShape& s) {
  const Index positions = most_positions(s), rows = bf16_padded(s.maps) + 32;
  const PatchLayout p = patch_layout(s);
  return {lot_pieces(s) * p.size, scratch_of(2 * positions),
          scratch_of(bf16_size(s.maps, positions) / 2),
          scratch_of(words_of_panel(positions) * widest_panel),
          scratch_of(rows * p.runs * (p.length + widest_panel))};
}

// Is the product large enough for bf16? Smaller ones are formed in float32.
constexpr bool enough_for_bf16(Index rows, Index k, Index cols) {
  return rows >= bf16_least && k >= bf16_least && cols >= bf16_least;
}
constexpr bool forward_in_bf16(const LocalShape& s, Index n) {
  return enough_for_bf16(n * s.positions(), s.patch(), s.maps);
}
constexpr bool back_in_bf16(const LocalShape& s, Index n) {
  return enough_for_bf16(n * s.height * s.width, s.kernel_h * s.kernel_w * s.maps, s.channels);
}

// Scratch of the whole operation: the words of W, then the tiles.
constexpr Index forward_room_in_bf16(const LocalShape& s) {
  return larger(conv_words(s.patch(), s.maps) + conv_tiles * product_in_bf16(s, false).size(),
                conv_blocks * gradient_in_bf16(s).size());
}
// conv_turn works in the scratch of the same tile: it needs one panel of Wᵀ.
constexpr Index back_tile_in_bf16(const LocalShape& s) {
  const LocalShape b = spread_shape(s);
  return larger(product_in_bf16(b, spreads(s)).size(), scratch_of(b.patch() * widest_panel));
}
constexpr Index back_room_in_bf16(const LocalShape& s) {
  const LocalShape b = spread_shape(s);
  return conv_words(b.patch(), b.maps) + conv_tiles * back_tile_in_bf16(s);
}

}  // namespace fastfa

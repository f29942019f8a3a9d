// How convolutions by factors in bf16 lie in scratch memory, and how much of it they need. Sizes are in
// floats.
#pragma once

#include "kernels/bf16_ops.h"
#include "kernels/conv_layout.h"

namespace fastfa {

// The product is that of patches, one row for each position, and W: its factors have k = s.patch(). It
// is formed in lots, a few bands or whole images at a time, of about so many positions.
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

// A factor of so many words, two rows in each, for all columns.
constexpr Index words_of_panel(Index k) { return bf16_padded(k) / 2; }
constexpr Index conv_words(Index k, Index cols) { return words_of_panel(k) * bf16_padded(cols); }

// The convolution of δ that brings errors back. A stride is made of zeros between units.
constexpr LocalShape spread_shape(const LocalShape& s) {
  LocalShape spread = s;
  spread.out_h = (s.out_h - 1) * s.stride_h + 1;
  spread.out_w = (s.out_w - 1) * s.stride_w + 1;
  spread.stride_h = spread.stride_w = 1;
  return back_shape(spread);
}
constexpr bool spreads(const LocalShape& s) { return s.stride_h > 1 || s.stride_w > 1; }

// What a tile of the product works in, one after the other: an image whose units are spread, patches,
// the left factor, and the result.
struct ConvInBf16 {
  Index spread, patches, left, made;
  constexpr Index size() const { return spread + patches + left + made; }
};
constexpr ConvInBf16 product_in_bf16(const LocalShape& s, bool spread) {
  const Index rows = most_positions(s);
  return {spread ? scratch_of(s.inputs()) : 0, patch_layout(s).size,
          scratch_of(bf16_size(rows, s.patch()) / 2), scratch_of(rows * padded_cols(s.maps))};
}
// What a block of the gradient works in: the patches of a lot, where each of them begins, the left
// factor δᵀ, a panel of the right one, and the sums.
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

// Is it large enough? What is smaller is formed in float32.
constexpr bool enough_for_bf16(Index rows, Index k, Index cols) {
  return rows >= bf16_least && k >= bf16_least && cols >= bf16_least;
}
constexpr bool forward_in_bf16(const LocalShape& s, Index n) {
  return enough_for_bf16(n * s.positions(), s.patch(), s.maps);
}
constexpr bool back_in_bf16(const LocalShape& s, Index n) {
  return enough_for_bf16(n * s.height * s.width, s.kernel_h * s.kernel_w * s.maps, s.channels);
}

// Scratch of all: the words of W, and tiles.
constexpr Index forward_room_in_bf16(const LocalShape& s) {
  return larger(conv_words(s.patch(), s.maps) + conv_tiles * product_in_bf16(s, false).size(),
                conv_blocks * gradient_in_bf16(s).size());
}
// Before the product, Wᵀ is made a panel at a time.
constexpr Index back_tile_in_bf16(const LocalShape& s) {
  const LocalShape b = spread_shape(s);
  return larger(product_in_bf16(b, spreads(s)).size(), scratch_of(b.patch() * widest_panel));
}
constexpr Index back_room_in_bf16(const LocalShape& s) {
  const LocalShape b = spread_shape(s);
  return conv_words(b.patch(), b.maps) + conv_tiles * back_tile_in_bf16(s);
}

}  // namespace fastfa

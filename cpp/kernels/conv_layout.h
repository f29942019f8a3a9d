// How the CPU's kernels lay out convolutions in scratch memory, and how much of it they need.
#pragma once

#include "kernels/conv_ops.h"

namespace fastfa {

// A convolution is computed in pieces. A piece is a band of rows of one example: rows of units, or
// of pixels where errors go back. Its input is copied to scratch memory first. There the channels of a
// pixel lie side by side, and the image has a border of zeros. Its result is copied to the usual order,
// channel by channel. In this layout a vector of W has the weights of neighbouring maps.
constexpr Index conv_tiles = 32;  // of one operation, at the most

// Rows of a band of an image of this size: bands are of nearly equal height, with about so many pixels.
constexpr Index band_pixels = 256;
constexpr Index band_rows(Index width, Index height, Index pixels = band_pixels) {
  const Index most = (pixels + width - 1) / width, bands = (height + most - 1) / most;
  return (height + bands - 1) / bands;
}
constexpr Index bands_of(Index width, Index height, Index pixels = band_pixels) {
  const Index rows = band_rows(width, height, pixels);
  return (height + rows - 1) / rows;
}
// Scratch for so many values; vectors may be written beyond their end.
constexpr Index scratch_of(Index values) { return padded_cols(values + 64); }

// The patches of a band of units in scratch: each is so many runs of neighbouring values. Where runs are
// short, patches are copied behind the image, one after the other.
struct PatchLayout {
  Index rows, cols;         // of the image that the band needs, with its border
  Index step, below;        // from a patch to the next one, and to the one below
  Index runs, length, run;  // how many, how long, and from one to the next
  bool copied;
  Index image, size;  // values of the image, and of all
};
constexpr PatchLayout patch_layout(const LocalShape& s) {
  PatchLayout p{};
  const Index band = band_rows(s.out_w, s.out_h), along = s.kernel_w * s.channels;
  const Index needed = (s.out_w - 1) * s.stride_w + s.kernel_w, own = s.pad_w + s.width;
  p.rows = (band - 1) * s.stride_h + s.kernel_h;
  p.cols = needed > own ? needed : own;
  p.image = p.size = scratch_of(p.rows * p.cols * s.channels);
  p.copied = along < 16;
  if (p.copied) {
    p.step = p.length = p.run = s.patch();
    p.below = s.out_w * p.step;
    p.runs = 1;
    p.size += scratch_of(band * p.below);
  } else {
    p.step = s.stride_w * s.channels;
    p.run = p.cols * s.channels;
    p.below = s.stride_h * p.run;
    p.runs = s.kernel_h;
    p.length = along;
  }
  return p;
}

// The units whose patches hold pixels of a band, with columns of zeros before and behind them.
struct UnitLayout {
  Index rows, left, cols, size;
};
constexpr UnitLayout unit_layout(const LocalShape& s) {
  UnitLayout u{};
  const Index before = s.kernel_w - 1 - s.pad_w, last = (s.width - 1 + s.pad_w) / s.stride_w;
  u.rows = (band_rows(s.width, s.height) + s.kernel_h - 2) / s.stride_h + 1;
  u.left = before > 0 ? (before + s.stride_w - 1) / s.stride_w : 0;
  u.cols = u.left + (last + 1 > s.out_w ? last + 1 : s.out_w);
  u.size = scratch_of(u.rows * u.cols * s.maps);
  return u;
}

// Channels as planes, for convolutions with few maps (conv_planes.h): rows that end with a vector to
// spare.
struct Planes {
  Index channels, rows, cols;
  constexpr Index plane() const { return rows * cols; }
  constexpr Index size() const { return scratch_of(channels * plane()); }
};
constexpr Index plane_of(Index count) { return padded_cols(count) + padded_cols(1); }
constexpr Planes seen_planes(const LocalShape& s, Index rows) {
  const Index read = padded_cols(s.out_w) + s.kernel_w, own = s.pad_w + s.width;
  return {s.channels, rows + s.kernel_h - 1, padded_cols(read > own ? read : own)};
}
constexpr Planes unit_planes(const LocalShape& s, Index rows) {
  return {s.maps, rows, padded_cols(s.out_w)};
}
// The units that pixels see, on the way back.
constexpr Planes back_planes(const LocalShape& s, Index rows) {
  const Index read = padded_cols(s.width) + s.kernel_w, own = s.kernel_w + s.out_w;
  return {s.maps, rows + s.kernel_h - 1, padded_cols(read > own ? read : own)};
}

// Wᵀ as conv_back has it: row (ky, place of kx, map), column channel. Rows that are a multiple of 1 KiB
// apart would fall into few cache sets.
template <class T>
constexpr Index turned_ld(const LocalShape& s) {
  const Index ld = padded_cols(s.channels);
  return ld * Index{sizeof(T)} % 1024 == 0 ? ld + 16 : ld;
}
template <class T>
constexpr Index turned_size(const LocalShape& s) {
  return s.kernel_h * s.kernel_w * s.maps * turned_ld<T>(s);
}

// Kernels of 3 × 3 take fewer multiplications by Winograd's algorithm (conv_winograd.h), where there are
// channels and maps enough to pay for the additions around them. A square of 2 × 2 units is made at
// once; bands are rows of squares.
constexpr Index square_products = 16, band_squares = 32;
constexpr Index apart = 16;  // so that the 16 numbers of a square don't fall into the same cache set
template <class T>
constexpr bool by_winograd(const LocalShape& s) {
  constexpr Index enough = sizeof(T) == 4 ? 16 : 32;  // with fewer it wasn't faster
  return s.kernel_h == 3 && s.kernel_w == 3 && s.stride_h == 1 && s.stride_w == 1 &&
         s.channels >= enough && s.maps >= enough;
}
// The convolution that brings δ back, where the stride is 1: its kernel is turned round.
constexpr LocalShape back_shape(const LocalShape& s) {
  LocalShape b = s;
  b.channels = s.maps, b.height = s.out_h, b.width = s.out_w;
  b.maps = s.channels, b.out_h = s.height, b.out_w = s.width;
  b.pad_h = s.kernel_h - 1 - s.pad_h, b.pad_w = s.kernel_w - 1 - s.pad_w;
  return b;
}
struct SquareLayout {
  Index high, wide;      // squares of an image
  Index band, examples;  // at most in a band: rows of squares; images, where these are small
  Index channels, maps;  // from a pixel to the next one, from a unit to the next one
  Index cols, image;     // pixels in a row, with their border; values of them all
  // Values: the 16 matrices of what is seen, and those of a panel of maps, each with `apart` to spare;
  // the band's units; sums of products over bands.
  Index seen, products, units, sums;
};
constexpr SquareLayout square_layout(const LocalShape& s) {
  SquareLayout l{};
  l.high = (s.out_h + 1) / 2;
  l.wide = (s.out_w + 1) / 2;
  l.band = band_rows(l.wide, l.high, band_squares);
  l.examples = l.high * l.wide * 2 > band_squares ? 1 : band_squares / (l.high * l.wide);
  l.channels = padded_cols(s.channels);
  l.maps = padded_cols(s.maps);
  const Index own = s.pad_w + s.width, needed = 2 * l.wide + 2, squares = l.examples * l.band * l.wide;
  l.cols = needed > own ? needed : own;
  l.image = scratch_of((2 * l.band + 2) * l.cols * l.channels);
  l.seen = square_products * (squares * l.channels + apart);
  l.products = square_products * (squares * padded_cols(32) + apart);
  l.units = scratch_of(4 * squares * l.maps);
  l.sums = square_products * s.channels * l.maps;
  return l;
}
// W as the products read it: row (product, channel), column map.
constexpr Index square_ld(const LocalShape& s) { return padded_cols(s.maps) + 16; }
template <class T>
constexpr Index square_weights(const LocalShape& s) {
  return by_winograd<T>(s) ? square_products * s.channels * square_ld(s) : 0;
}

// The gradient's parts on the CPU: blocks of examples.
constexpr Index conv_blocks = 8;
constexpr Index conv_blocks_of(Index n) { return n < conv_blocks ? n : conv_blocks; }

// Scratch of a tile: what is read, and what is made.
constexpr Index larger(Index a, Index b) { return a > b ? a : b; }
constexpr Index square_scratch(const LocalShape& s) {
  const SquareLayout l = square_layout(s);
  return l.image + l.seen + l.products + l.units;
}
template <class T>
constexpr Index conv_scratch(const LocalShape& s) {
  if (by_winograd<T>(s)) return square_scratch(s);
  const Index rows = band_rows(s.out_w, s.out_h), units = rows * s.out_w;
  return larger(
      patch_layout(s).size + scratch_of(units * padded_cols(s.maps)),
      seen_planes(s, rows).size() + larger(unit_planes(s, rows).size(), s.maps * plane_of(units)));
}
template <class T>
constexpr Index gradient_scratch(const LocalShape& s) {
  return conv_scratch<T>(s) + (by_winograd<T>(s) ? square_layout(s).sums : 0);
}
template <class T>
constexpr Index back_scratch(const LocalShape& s) {
  if (by_winograd<T>(s)) return square_scratch(back_shape(s));
  const Index rows = band_rows(s.width, s.height), pixels = rows * s.width;
  return larger(unit_layout(s).size + scratch_of(pixels * padded_cols(s.channels)),
                back_planes(s, rows).size() + s.channels * plane_of(pixels));
}
// Scratch of all: weights, and tiles.
template <class T>
constexpr Index forward_room(const LocalShape& s) {
  return larger(square_weights<T>(s) + conv_tiles * conv_scratch<T>(s),
                conv_blocks * gradient_scratch<T>(s));
}
template <class T>
constexpr Index turned_room(const LocalShape& s) {
  return by_winograd<T>(s) ? square_weights<T>(back_shape(s)) : turned_size<T>(s);
}
template <class T>
constexpr Index back_room(const LocalShape& s) {
  return turned_room<T>(s) + conv_tiles * back_scratch<T>(s);
}

}  // namespace fastfa

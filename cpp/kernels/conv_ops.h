// The operations of convolutions and pooling: one argument pack each, as in ops.h.
#pragma once

#include "kernels/local_ops.h"

namespace fastfa {

// The CPU computes a convolution in pieces. A piece is a band of rows of one example: rows of units, or
// of pixels where errors go back. Its input is copied to scratch memory first. There the channels of a
// pixel lie side by side, and the image has a border of zeros. Its result is copied to the usual order,
// channel by channel. In this layout a vector of W has the weights of neighbouring maps.
constexpr Index conv_tiles = 32;  // of one operation, at the most

// Rows of a band of an image of this size: bands are of nearly equal height, with about 256 pixels.
constexpr Index band_rows(Index width, Index height) {
  const Index most = (256 + width - 1) / width, bands = (height + most - 1) / most;
  return (height + bands - 1) / bands;
}
constexpr Index bands_of(Index width, Index height) {
  const Index rows = band_rows(width, height);
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

// Scratch of a tile: what is read, and what is made.
constexpr Index larger(Index a, Index b) { return a > b ? a : b; }
constexpr Index conv_scratch(const LocalShape& s) {
  const Index rows = band_rows(s.out_w, s.out_h), units = rows * s.out_w;
  return larger(
      patch_layout(s).size + scratch_of(units * padded_cols(s.maps)),
      seen_planes(s, rows).size() + larger(unit_planes(s, rows).size(), s.maps * plane_of(units)));
}
constexpr Index back_scratch(const LocalShape& s) {
  const Index rows = band_rows(s.width, s.height), pixels = rows * s.width;
  return larger(unit_layout(s).size + scratch_of(pixels * padded_cols(s.channels)),
                back_planes(s, rows).size() + s.channels * plane_of(pixels));
}

// The gradient's parts on the CPU: blocks of examples.
constexpr Index conv_blocks = 8;
constexpr Index conv_blocks_of(Index n) { return n < conv_blocks ? n : conv_blocks; }

// One kernel of each map serves all positions. W is a matrix: row (ky, kx, channel), column map.

// What they work in is scratch, as much as the backend asks for (Backend::conv_room).

// a = σ(W x + b), (n, units), overwritten
template <class T>
struct ConvForward {
  LocalShape shape;
  View<const T> x;
  Index n;
  View<const T> w;
  const T* bias;  // (maps); null: none
  Sigma activation;
  View<T> a;
  T* scratch;
  int* bad;
};

// below = Wᵀδ for each pixel, overwritten
template <class T>
struct ConvBack {
  LocalShape shape;
  View<const T> w;
  Index n;
  View<const T> delta;
  T* scratch;
  View<T> below;
};

// One update of W and the bias; x (n, inputs), δ (n, units). The gradient is first formed in parts, each
// with sums of its own.
template <class T>
struct ConvUpdate : Learning<T>, ParameterArrays<T> {
  LocalShape shape;
  View<const T> x;
  Index n;
  View<const T> delta;
  T* scratch;
  View<double> sums;  // for each part (patch + 1, maps), the last row for the bias
};

// a = the mean or the largest of each patch, channel by channel: x (n, inputs) → a (n, units).
template <class T>
struct PoolForward {
  View<const T> x;
  LocalShape shape;  // of as many maps as channels, without padding
  View<T> a;
  Index n;
  // (n, units): which input of the patch was the largest, the first of several; null: a is the mean
  View<T> chosen;
};

// below (n, inputs) = what its derivative makes of `source` (n, units), overwritten
template <class T>
struct PoolBack {
  View<const T> source;
  LocalShape shape;
  View<T> below;
  Index n;
  View<const T> chosen;
};

}  // namespace fastfa

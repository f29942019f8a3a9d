// The operations of convolutions and pooling: one argument pack each, as in ops.h.
#pragma once

#include "kernels/ops.h"

namespace fastfa {

// Images with their examples side by side, `across`, in groups of conv_group examples that lie one after
// the other: row (y, x, channel) of a group has its examples, padded with zeros to whole vectors. Around
// the image is a border of zeros, as wide as the patches need it. Whoever has room for n examples in
// rows of a buffer has room for this.
constexpr Index conv_group = 64;
struct Bordered {
  Index channels, height, width;  // of the image itself
  Index top, left;                // width of the border before it
  Index rows, cols;               // with the border

  constexpr Index place(Index y, Index x, Index channel) const {
    return ((y + top) * cols + x + left) * channels + channel;
  }
  constexpr Index pixels() const { return height * width; }
  constexpr Index places() const { return rows * cols * channels; }
};

// What the patches of a layer see, and its units, which have no border.
constexpr Bordered seen_by(const LocalShape& s) {
  const Index down = (s.out_h - 1) * s.stride_h + s.kernel_h,
              along = (s.out_w - 1) * s.stride_w + s.kernel_w;
  const Index rows = s.pad_h + s.height, cols = s.pad_w + s.width;
  return {s.channels,
          s.height,
          s.width,
          s.pad_h,
          s.pad_w,
          down > rows ? down : rows,
          along > cols ? along : cols};
}
constexpr Bordered units_of(const LocalShape& s) {
  return {s.maps, s.out_h, s.out_w, 0, 0, s.out_h, s.out_w};
}

// across ← flat (n, channels · height · width) and back; of the border nothing is written or read.
template <class T>
struct LayImages {
  Bordered image;
  const T* flat;
  Index ldf;
  Index n;
  T* across;
};
template <class T>
struct TakeImages {
  Bordered image;
  const T* across;
  Index n;
  T* flat;
  Index ldf;
};

// A convolution: one kernel of each map serves all positions. W is a matrix: row (ky, kx, channel),
// column map. `x` is across with the border of seen_by(shape), units are across without one.
constexpr Index conv_tiles = 32;  // of one operation, at the most

// a = σ(W x + b), (n, units), overwritten
template <class T>
struct ConvForward {
  LocalShape shape;
  const T* x;
  Index n;
  const T* w;
  Index ldw;
  const T* bias;  // (maps); null: none
  Sigma activation;
  T* units;  // scratch, across
  T* a;
  Index lda;
  int* bad;
};

// below = Wᵀδ for each pixel, overwritten: both across, without a border
template <class T>
struct ConvBack {
  LocalShape shape;
  const T* delta;
  Index n;
  const T* w;
  Index ldw;
  T* below;
};

// One update of W and the bias.
template <class T>
struct ConvUpdate : Learning<T> {
  LocalShape shape;
  const T* x;
  const T* delta;  // across
  Index n;
  T* w;
  Index ldw;
  T* v;     // null: no momentum
  T* s;     // null: SGD
  T* bias;  // (maps); null: none
  T* v_bias;
  T* s_bias;
  double* sums;  // scratch: (patch + 1, maps), rows lds apart; the last one is the bias'
  Index lds;
};

// Pooling takes a channel in bands of whole rows, so many of the units' or of the image's.
constexpr Index pool_band(Index width, Index height) {
  const Index rows = (128 + width - 1) / width;
  return rows < height ? rows : height;
}
// Scratch of a tile: the image's rows and the units of a band, the latter twice, each for as many
// examples as the widest vector has lanes, and a vector to spare for each.
template <class T>
constexpr Index pool_scratch(const LocalShape& s) {
  constexpr Index most = 64 / Index{sizeof(T)};
  const Index up = (pool_band(s.out_w, s.out_h) - 1) * s.stride_h + s.kernel_h;
  const Index rows = pool_band(s.width, s.height), units = (rows + s.kernel_h) / s.stride_h + 2;
  const Index image = (up > rows ? up : rows) * s.width,
              own =
                  (pool_band(s.out_w, s.out_h) > units ? pool_band(s.out_w, s.out_h) : units) * s.out_w;
  return (image + 2 * own + 6 * most) * most;
}

// a = the mean or the largest of each patch, channel by channel: x (n, inputs) → a (n, units).
template <class T>
struct PoolForward {
  LocalShape shape;  // of as many maps as channels, without padding
  const T* x;
  Index ldx;
  Index n;
  T* a;
  Index lda;
  T* chosen;  // (n, units): which input of the patch was the largest, the first of several; null: means
  Index ldc;
  T* scratch;  // conv_tiles rows of pool_scratch<T>(shape)
};

// below (n, inputs) = what its derivative makes of `source` (n, units), overwritten
template <class T>
struct PoolBack {
  LocalShape shape;
  const T* source;
  Index lds;
  Index n;
  const T* chosen;
  Index ldc;
  T* below;
  Index ldb;
  T* scratch;  // as of the forward pass
};

}  // namespace fastfa

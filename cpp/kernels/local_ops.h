// The operations of locally connected layers: one argument pack each, as in ops.h.
#pragma once

#include "kernels/ops.h"

namespace fastfa {

constexpr Index local_tiles = 32;          // of one operation, at the most
constexpr Index local_few_weights = 1024;  // of a position, so few that those of many fit into a cache

// A locally connected layer: each position (oy, ox) of each of `maps` has weights of its own for the
// patch of kernel_h × kernel_w pixels of all channels that begins at (oy · stride − pad, ox · stride −
// pad). Pixels outside the image are zero. Units are numbered (map, oy, ox), inputs (channel, y, x).
// Weights are kept position by position: row p = oy · out_w + ox of w has one block for each channel,
// `block` elements apart, in which [(ky, kx), map] lie with maps contiguous.
struct LocalShape {
  Index channels, height, width;
  Index maps, kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w;
  Index out_h, out_w;

  constexpr Index positions() const { return out_h * out_w; }
  constexpr Index patch() const { return channels * kernel_h * kernel_w; }
  constexpr Index block() const { return padded_cols(kernel_h * kernel_w * maps); }
  constexpr Index inputs() const { return channels * height * width; }
  constexpr Index units() const { return maps * positions(); }
  constexpr bool few_weights() const { return channels * block() <= local_few_weights; }
  // Scratch of a tile of T: weights of as many positions as the widest vector has lanes, or of one
  // channel.
  template <class T>
  constexpr Index scratch() const {
    return few_weights() ? 64 / Index{sizeof(T)} * channels * block() : block();
  }
  // The same in double, and of the biases, for a batch of more than k_block.
  template <class T>
  constexpr Index whole() const {
    return few_weights() ? 64 / Index{sizeof(T)} * (channels * block() + maps) : 0;
  }
};

// Arrays named `across` have examples side by side, padded to whole vectors: inputs or units in rows, n
// in columns. They are scratch that a backend lays out where its kernels want it.
template <class T>
struct LocalScratch {
  View<T> x_across;
  T* scratch;  // local_tiles rows of shape.scratch<T>()
  View<T> across;
};

// a = σ(W x + b), (n, units), overwritten
template <class T>
struct LocalForward : LocalScratch<T> {
  LocalShape shape;
  View<const T> x;
  Index n;
  View<const T> w;
  const T* bias;  // (units); null: none
  Sigma activation;
  View<T> a;
  int* bad;
};

// below = Wᵀδ for each pixel, overwritten
template <class T>
struct LocalBack {
  View<const T> delta;  // (units, n)
  LocalShape shape;
  View<const T> w;
  Index n;
  View<T> below;  // (inputs, n)
};

// One update of W and the bias, (units); x (n, inputs), δ (n, units).
template <class T>
struct LocalUpdate : Learning<T>, ParameterArrays<T>, LocalScratch<T> {
  LocalShape shape;
  View<const T> x;
  Index n;
  T* bias_gradient;  // scratch: (units), padding zero
  View<const T> delta;
  double* whole;  // local_tiles rows of shape.whole<T>(); null where n ≤ k_block
};

}  // namespace fastfa

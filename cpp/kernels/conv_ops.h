// The operations of convolutions and pooling: one argument pack each, as in ops.h.
#pragma once

#include "kernels/local_ops.h"

namespace fastfa {

// One kernel of each map serves all positions. W is a matrix: row (ky, kx, channel), column map. What
// they work in is scratch, as much as the backend asks for (Backend::conv_room).

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

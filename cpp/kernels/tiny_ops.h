// Argument packs for networks so small that whole steps of theirs are one operation.
#pragma once

#include "kernels/ops.h"

namespace fastfa {

// One layer of a network that learns online within one core's cache.
template <class T>
struct TinyLayer {
  Index n_in;
  View<T> w;  // (n_in, n_out)
  Index n_out;
  T* bias;  // null: none
  Sigma activation;
  T* h;  // (n_out)
  bool trainable;
  T* delta;         // (n_out)
  View<const T> b;  // what carries δ_source down to this layer, as in Propagate; null: nothing, δ = 0
  int transposed;
  const T* source;  // δ_source (n_src)
  Index n_src;
};

// Steps of plain SGD with examples order[0 … n) of x and y, one by one. Ends before the first step in
// which a value is out of range.
template <class T>
struct OnlineRun {
  const TinyLayer<T>* layers;
  Index count;
  Loss loss;
  View<const T> x;
  const Index* order;
  View<const T> y;
  Index n;
  double* loss_sum;  // added to
  Index* wrong;      // added to
  double* missed;    // with weights those of the wrong ones, added to
  Index* done;       // set: steps done
  const T* weight;   // of each example of x, as in Output; null: 1
};

template <class T>
struct TinyRun : OnlineRun<T> {
  T rate = 0, decay = 0;
  T* input = nullptr;  // (n_in), scratch
};

// One such step, whose parts can be done apart: forward (the output stays at its pre-activation),
// feedback (from the output's δ), update. The first two are false where a value is out of range.
template <class T>
struct TinyStep {
  const TinyLayer<T>* layers;
  Index count;
  T rate;          // of the update
  const T* input;  // (n_in), padding zero
  T decay;         // of the update
};

// Networks of one kind side by side: every element of a matrix is a vector of as many values as an
// instruction takes, one for each network, without padding between rows; lanes without a network are
// zero. loss_sum, wrong, missed, rate and decay have a value for each lane.
template <class T>
struct LaneRun : OnlineRun<T> {
  const T* rate = nullptr;
  const T* decay = nullptr;
  bool decays = false;   // some decay is not 0
  T* scratch = nullptr;  // (n_out of the output layer)
};

}  // namespace fastfa

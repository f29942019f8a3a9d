// Argument packs of recurrent layers. A unit sees z = [x, h⁻], depth numbers: the input and what the
// layer was a step before. u = W z + b, h = h⁻ + (φ(u) − h⁻)/τ. W lies as every dense W does.
#pragma once

#include "kernels/ops.h"

namespace fastfa {

// One step of n examples: the new h and the slopes φ′(u)/τ.
template <class T>
struct RecurrentForward {
  View<const T> z;  // (n, depth)
  Index n, depth, cols;
  View<const T> w;       // (depth, cols); null: h holds W z + b already
  const T* bias;         // null: none
  View<const T> before;  // h⁻ (n, cols)
  View<T> h, slope;      // (n, cols)
  Sigma activation;
  T share;  // 1/τ
  int* bad;
};

// A step of the scan back in time: λ ← keep λ + carried + d, then d ← λ ∘ slope.
template <class T>
struct RecurrentBack {
  View<T> lambda;         // (n, cols)
  View<const T> carried;  // B_rec times the d of a step later; null: none
  View<T> d;              // B e at first
  View<const T> slope;
  Index n, cols;
  T keep;  // 1 − 1/τ
  int* bad;
};

// A trace for each example, weight and bias: p ← keep p + slope ⊗ z. Then, where `sent` is given, the
// weights learn: W ← W + rate Σ sent ∘ p − decay W.
template <class T>
struct RecurrentTrace {
  View<T> trace;  // example e has rows e (depth + 1) … , of each row of W, the last for the bias
  View<const T> z, slope;
  Index n, depth, cols;
  bool advance;  // false: the traces are those of this step already
  T keep;
  View<const T> sent;  // B e (n, cols); null: nothing learns
  View<T> w;
  T* bias;  // null: none
  T rate, decay, bias_rate, bias_decay;
};

// A step may wait for the next before it is written to traces and weights.
constexpr int recurrent_waits = 3;
constexpr int recurrent_rows = 3 + 3 * recurrent_waits;
constexpr Index recurrent_first_cache = 40960;  // bytes of traces and weights that stay in it

// Online learning of a recurrent layer below a dense readout: steps of one example, rows order[0 …
// steps) of x and y, by plain SGD. Each step reads and writes traces and weights once: the pass over
// them also makes the next step's W z. Ends before the first step in which a value is out of range.
template <class T>
struct RecurrentRun {
  RecurrentTrace<T> layer;  // its traces and what learns; z, slope and sent aren't looked at
  Index inputs;             // of z
  T* h;                     // (cols), the state
  View<T> room;             // scratch: recurrent_rows rows of at least max(depth, cols), zero at first
  Sigma activation;
  T share;
  Index
      delay;  // of inputs: the first `delay` steps see rows of `past`, step s then row order[s − delay]
  View<const T> past;
  View<const T> b;  // B as in Propagate; null: nothing is sent
  int transposed;

  View<T> w_out;  // (cols, outputs)
  T* bias_out;    // null: none
  Index outputs;
  Sigma output_activation;
  Loss loss;
  bool readout_learns;
  T out_rate, out_decay, out_bias_rate, out_bias_decay;
  T* y_row;      // (outputs), scratch
  T* delta_row;  // (outputs), scratch

  View<const T> x, y;
  const Index* order;
  Index steps;
  const T* weight;   // of each row of x; null: 1
  double* loss_sum;  // added to
  Index* wrong;      // added to
  double* missed;    // added to
  Index* done;       // set
};

}  // namespace fastfa

// The output layer, example by example: y = σ(a), then δ, loss and whether the largest output is right.
// Loss is computed from a, where it is exact: log σ(a) and log softmax(a) never see a rounded 0 or 1.
#pragma once

#include "kernels/math.h"

namespace fastfa {
namespace {

constexpr Index output_cols = 64;  // columns of the temporary rows
constexpr Index output_rows = 8;   // examples of one tile

template <class T>
int output_tiles(const Output<T>& o) {
  return tiny(o.n, o.n_out, 16) ? 1 : static_cast<int>((o.n + output_rows - 1) / output_rows);
}

template <class T>
inline Index argmax(const T* x, Index n) {
  Index best = 0;
  T top = x[0];
  for (Index i = 1; i < n; ++i) {
    if (x[i] > top) {
      top = x[i];
      best = i;
    }
  }
  return best;
}

// Calls f(column, columns, padded columns) for pieces of one row.
template <class T, class F>
inline void for_pieces(Index n, F&& f) {
  for (Index c = 0; c < n; c += output_cols) {
    const Index cols = min(output_cols, n - c);
    f(c, cols, round_up(cols, lanes<T>));
  }
}

template <class T>
using Piece = Eigen::Map<Eigen::Array<T, Eigen::Dynamic, 1>, Eigen::AlignedMax>;

// a ← softmax(a); returns log Σ exp(a).
template <class T>
inline T softmax(T* a, Index n) {
  T top = a[0];
  double pieces = 0;
  for (Index i = 1; i < n; ++i) top = a[i] > top ? a[i] : top;
  for_pieces<T>(n, [&](Index c, Index cols, Index width) {
    Piece<T> p(a + c, width);
    p = (p - top).exp();
    T of_piece = 0;
    for (Index i = 0; i < cols; ++i) of_piece += a[c + i];
    pieces += of_piece;
  });
  const T sum = static_cast<T>(pieces);
  for_pieces<T>(n, [&](Index c, Index, Index width) { Piece<T>(a + c, width) /= sum; });
  return top + std::log(sum);
}

// Σ_i of the cross-entropy of logistic outputs: softplus(a) − y a.
template <class T>
inline double logistic_loss(const T* a, const T* y, Index n) {
  alignas(64) T each[output_cols];
  double loss = 0;
  for_pieces<T>(n, [&](Index c, Index cols, Index width) {
    const Eigen::Map<const Eigen::Array<T, Eigen::Dynamic, 1>, Eigen::AlignedMax> p(a + c, width);
    Piece<T>(each, width) = p.max(T(0)) + (-p.abs()).exp().log1p();
    for (Index i = 0; i < cols; ++i) loss += each[i] - y[c + i] * a[c + i];
  });
  return loss;
}

template <class T>
inline double dot(const T* x, const T* y, Index n) {
  double sum = 0;
  for (Index i = 0; i < n; ++i) sum += static_cast<double>(x[i]) * y[i];
  return sum;
}

// δ ← weight · δ; false where it is then out of range.
template <class T>
inline bool weigh(T weight, T* delta, Index width) {
  for (Index i = 0; i < width; i += lanes<T>) store(delta + i, weight * load(delta + i));
  return row_within_limit(delta, width);
}

// Never inlined, so that it is the same arithmetic wherever it is called.
template <class T>
[[gnu::noinline]] void output_row(const Output<T>& o, Index n) {
  const auto activation = o.activation;
  const auto loss = o.loss;
  T* a = o.a[n];
  const T* y = o.y ? o.y[o.order[n]] : nullptr;
  const Index width = round_up(o.n_out, lanes<T>);
  if (!row_within_limit(a, width)) return report(o.bad);

  double total = 0;
  if (activation.kind == Activation::softmax) {
    if (y) total -= dot(a, y, o.n_out);
    const double log_sum = softmax(a, o.n_out);
    if (y) {
      for (Index i = 0; i < o.n_out; ++i) total += log_sum * y[i];
    }
  } else {
    if (y && loss == Loss::cross_entropy) total = logistic_loss(a, y, o.n_out);
    activate(a, width, activation);
  }
  for (Index i = o.n_out; i < width; ++i) a[i] = 0;  // padding
  if (!y) return;

  if (loss == Loss::squared_error) {
    for (Index i = 0; i < o.n_out; ++i) {
      const double e = static_cast<double>(y[i]) - a[i];
      total += 0.5 * e * e;
    }
  }
  const T weight = o.weight ? o.weight[o.order[n]] : T(1);
  if (o.weight) {
    o.weight_rows[n] = weight;
    total = weight > 0 ? weight * total : 0.0;  // also where the loss itself is infinite
  }
  o.loss_rows[n] = total;
  o.wrong[n] = argmax(a, o.n_out) != argmax(y, o.n_out);
  if (!o.delta) return;

  T* delta = o.delta[n];
  for (Index i = 0; i < o.n_out; ++i) delta[i] = y[i] - a[i];
  if (loss == Loss::squared_error) times_derivative(delta, a, width, activation);
  if (!row_within_limit(delta, width)) return report(o.bad);
  if (o.weight && !weigh(weight, delta, width)) report(o.bad);
}

template <class T>
void output_run(const Output<T>& o, int tile, int tile_end) {
  const bool whole = output_tiles(o) == 1;
  const Index end = whole ? o.n : min(tile_end * output_rows, o.n);
  for (Index n = whole ? 0 : tile * output_rows; n < end; ++n) output_row(o, n);
}

}  // namespace
}  // namespace fastfa

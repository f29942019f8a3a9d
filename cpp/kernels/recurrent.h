// Recurrent layers: a step of theirs, the scan back in time, and traces. Columns are units, and no unit
// needs another's numbers within an operation: so work is cut into panels of columns.
#pragma once

#include "kernels/math.h"
#include "kernels/recurrent_ops.h"

namespace fastfa {
namespace {

// Calls f(first column, vectors as a constant) for the panels of `cols` columns, up to four vectors
// each.
template <class T, class F>
__attribute__((always_inline)) inline void for_wide_panels(Index cols, F&& f) {
  Index c = 0;
  for (; cols - c > 3 * lanes<T>; c += 4 * lanes<T>) f(c, std::integral_constant<int, 4>());
  if (cols - c > 2 * lanes<T>) return f(c, std::integral_constant<int, 3>());
  if (cols - c > lanes<T>) return f(c, std::integral_constant<int, 2>());
  if (cols - c > 0) f(c, std::integral_constant<int, 1>());
}

// a = z W, row after row of W.
template <class T>
[[gnu::noinline]] void recurrent_product(const T* z, Index depth, View<const T> w, Index cols, T* a) {
  for_wide_panels<T>(cols, [&](Index c, auto vectors) {
    constexpr int V = vectors.value;
    Vec<T> sum[V]{};
    const T* row = w.data + c;
    for (Index i = 0; i < depth; ++i, row += w.ld) {
      for (int v = 0; v < V; ++v) sum[v] = z[i] * load(row + v * lanes<T>) + sum[v];
    }
    for (int v = 0; v < V; ++v) store(a + c + v * lanes<T>, sum[v]);
  });
}

// h = h⁻ + (φ(u) − h⁻)/τ and φ′(u)/τ of `width` columns; `h` has u. False where u is out of range.
template <class T>
[[gnu::noinline]] bool recurrent_leak(T* h, const T* before, T* slope, Index width, Sigma activation,
                                      T share) {
  const bool ok = row_within_limit(h, width);
  if (ok) {
    with_sigma(activation, [&](auto sigma) {
      using S = decltype(sigma);
      if constexpr (S::keeps_slope) {
        activate_with_slope(h, slope, width, activation);
      } else {
        activate(h, width, activation);
        for (Index i = 0; i < width; i += lanes<T>) store(slope + i, slope_of(sigma, load(h + i)));
      }
    });
    for (Index i = 0; i < width; i += lanes<T>) {
      const Vec<T> old = load(before + i);
      store(h + i, old + share * (load(h + i) - old));
      store(slope + i, share * load(slope + i));
    }
  }
  return ok;
}

// The step of one example once h has z W: what comes of it, with zeros in what pads the units.
template <class T>
inline bool recurrent_finish(T* h, const T* bias, const T* before, T* slope, Index cols,
                             Sigma activation, T share) {
  const Index width = round_up(cols, lanes<T>);
  for (Index i = 0; bias && i < width; i += lanes<T>) store(h + i, load(h + i) + load(bias + i));
  const bool ok = recurrent_leak(h, before, slope, width, activation, share);
  for (Index i = cols; i < width; ++i) h[i] = slope[i] = 0;
  return ok;
}

template <class T>
int recurrent_forward_tiles(const RecurrentForward<T>& f) {
  return tiny(f.n, f.cols, 32) ? 1 : static_cast<int>(min(f.n, max_row_chunks));
}

template <class T>
void recurrent_forward_run(const RecurrentForward<T>& f, int tile, int tile_end) {
  const int tiles = recurrent_forward_tiles(f);
  bool ok = true;
  for (Index e = tile * f.n / tiles; e < tile_end * f.n / tiles; ++e) {
    T* const h = f.h[e];
    if (f.w) recurrent_product(f.z[e], f.depth, f.w, f.cols, h);
    ok &= recurrent_finish(h, f.w ? f.bias : nullptr, f.before[e], f.slope[e], f.cols, f.activation,
                           f.share);
  }
  if (!ok) report(f.bad);
}

template <class T>
int recurrent_back_tiles(const RecurrentBack<T>& b) {
  return tiny(b.n, b.cols, 8) ? 1 : static_cast<int>(min(b.n, max_row_chunks));
}

template <class T>
void recurrent_back_run(const RecurrentBack<T>& b, int tile, int tile_end) {
  const int tiles = recurrent_back_tiles(b);
  const Index width = round_up(b.cols, lanes<T>);
  Mask<T> ok = Mask<T>{} - 1;
  for (Index e = tile * b.n / tiles; e < tile_end * b.n / tiles; ++e) {
    for (Index i = 0; i < width; i += lanes<T>) {
      T* const l = b.lambda[e] + i;
      T* const d = b.d[e] + i;
      Vec<T> sum = b.keep * load(l) + load(d);
      if (b.carried) sum += load(b.carried[e] + i);
      const Vec<T> made = sum * load(b.slope[e] + i);
      ok &= within_limit<T>(sum) & within_limit<T>(made);
      store(l, sum);
      store(d, made);
    }
  }
  if (!all<T>(ok)) report(b.bad);
}

// Cut into chunks of rows, as the products of a few examples are.
template <class T>
int recurrent_trace_tiles(const RecurrentTrace<T>& t) {
  return tiny(t.n, t.cols, 4 * t.depth)
             ? 1
             : static_cast<int>(max(Index{1}, min(max_row_chunks, t.n * t.depth * t.cols / 16384)));
}

// Row i of the traces and, if something is sent, of W; row `depth` is the biases', whose input is 1.
template <class T>
inline void trace_row(const RecurrentTrace<T>& t, Index i) {
  const bool of_bias = i == t.depth;
  T* const to = of_bias ? t.bias : t.w[i];
  const T rate = of_bias ? t.bias_rate : t.rate, decay = of_bias ? t.bias_decay : t.decay;
  for (Index c = 0; c < t.cols; c += lanes<T>) {
    Vec<T> w{}, old{};
    if (t.sent && to) w = old = load(to + c);
    for (Index e = 0; e < t.n; ++e) {
      T* const at = t.trace[e * (t.depth + 1) + i] + c;
      Vec<T> trace = load(at);
      if (t.advance) {
        const T z = of_bias ? T(1) : t.z[e][i];
        trace = load(t.slope[e] + c) * z + t.keep * trace;
        store(at, trace);
      }
      if (t.sent) w = (rate * load(t.sent[e] + c)) * trace + w;
    }
    if (!t.sent || !to) continue;
    if (decay != 0) w -= decay * old;
    store(to + c, w);
  }
}

// The same of rows i0 … i1 of W, for one example that learns by this step's traces.
template <class T>
inline void trace_rows(const RecurrentTrace<T>& t, Index i0, Index i1) {
  for_wide_panels<T>(t.cols, [&](Index c, auto vectors) {
    constexpr int V = vectors.value;
    Vec<T> slope[V], change[V];
    for (int v = 0; v < V; ++v) {
      slope[v] = load(t.slope.data + c + v * lanes<T>);
      change[v] = t.rate * load(t.sent.data + c + v * lanes<T>);
    }
    T *p = t.trace[i0] + c, *w = t.w[i0] + c;
    for (Index i = i0; i < i1; ++i, p += t.trace.ld, w += t.w.ld) {
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) {
        const Vec<T> trace = slope[v] * t.z.data[i] + t.keep * load(p + v * lanes<T>);
        store(p + v * lanes<T>, trace);
        store(w + v * lanes<T>, change[v] * trace + load(w + v * lanes<T>));
      }
    }
  });
}

template <class T>
void recurrent_trace_run(const RecurrentTrace<T>& t, int tile, int tile_end) {
  const Index tiles = recurrent_trace_tiles(t), rows = t.depth + 1;
  if (t.n == 1 && t.advance && t.sent && t.decay == 0) {
    const Index end = tile_end * rows / tiles;
    trace_rows(t, tile * rows / tiles, min(end, t.depth));
    if (end == rows) trace_row(t, t.depth);
    return;
  }
  for (Index i = tile * rows / tiles; i < tile_end * rows / tiles; ++i) trace_row(t, i);
}

}  // namespace
}  // namespace fastfa

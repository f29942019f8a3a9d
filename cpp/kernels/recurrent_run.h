// Online learning of a recurrent layer below a dense readout, whole runs of steps, with everything in
// one core's caches.
#pragma once

#include "kernels/recurrent.h"
#include "kernels/tiny.h"

namespace fastfa {
namespace {

// Steps that traces and weights still wait for, the oldest first, and how the next W z is made.
template <class T>
struct Waiting {
  const T* z[recurrent_waits];
  const T* slope[recurrent_waits];
  const T* change[recurrent_waits];  // rate B e
  int count = 0;
};

// One pass over the columns of a panel of traces and weights: p ← keep p + slope ⊗ z and
// W ← W + change ∘ p − decay W for each of the J steps that wait, and next = next_z W. Writing costs
// more than computing once traces and weights leave the first cache: then they are written with every
// other step alone, and what waits is computed twice, to the same bits.
template <class T, int V, int J, bool Learns, bool Decay, bool Write>
inline void trace_pass(const RecurrentTrace<T>& t, const Waiting<T>& of, const T* next_z, T* next,
                       Index c) {
  Vec<T> slope[J][V], change[J][V]{}, sum[V]{};
  for (int j = 0; j < J; ++j) {
    for (int v = 0; v < V; ++v) {
      slope[j][v] = load(of.slope[j] + c + v * lanes<T>);
      if (Learns) change[j][v] = load(of.change[j] + c + v * lanes<T>);
    }
  }
  T *p = t.trace.data + c, *w = t.w.data + c;
  for (Index i = 0; i < t.depth; ++i, p += t.trace.ld, w += t.w.ld) {
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) {
      Vec<T> trace = load(p + v * lanes<T>), weight = load(w + v * lanes<T>);
#pragma GCC unroll 4
      for (int j = 0; j < J; ++j) {
        trace = slope[j][v] * of.z[j][i] + t.keep * trace;
        const Vec<T> old = weight;
        if (Learns) weight = change[j][v] * trace + old;
        if (Decay) weight -= t.decay * old;
      }
      if (Write) store(p + v * lanes<T>, trace);
      if (Write && Learns) store(w + v * lanes<T>, weight);
      sum[v] = next_z[i] * weight + sum[v];
    }
  }
  for (int v = 0; v < V; ++v) store(next + c + v * lanes<T>, sum[v]);
}

template <int J, bool Write, class T>
[[gnu::noinline]] void trace_pass(const RecurrentTrace<T>& t, const Waiting<T>& of, const T* next_z,
                                  T* next, bool learns) {
  for_wide_panels<T>(t.cols, [&](Index c, auto vectors) {
    constexpr int V = vectors.value;
    if (!learns) {
      trace_pass<T, V, J, false, false, Write>(t, of, next_z, next, c);
    } else if (t.decay == 0) {
      trace_pass<T, V, J, true, false, Write>(t, of, next_z, next, c);
    } else {
      trace_pass<T, V, J, true, true, Write>(t, of, next_z, next, c);
    }
  });
}

// The pass for as many steps as wait.
template <class T, int J = 1>
inline void pass_over(const RecurrentTrace<T>& t, Waiting<T>& of, const T* next_z, T* next, bool learns,
                      bool write) {
  if (of.count == J) {
    if (!write) return trace_pass<J, false>(t, of, next_z, next, learns);
    trace_pass<J, true>(t, of, next_z, next, learns);
    of.count = 0;
  } else if constexpr (J < recurrent_waits) {
    pass_over<T, J + 1>(t, of, next_z, next, learns, write);
  }
}

// B δ. W_outᵀ is read where it lies; with few outputs a number at a time.
template <class T>
inline void send(const RecurrentRun<T>& r, T* sent) {
  const Index cols = r.layer.cols;
  if (!r.transposed) return tiny_product(r.delta_row, r.outputs, r.b, cols, sent);
  if (r.outputs > 4) return tiny_dots(r.delta_row, r.outputs, r.b, cols, sent);
  for (Index i = 0; i < cols; ++i) {
    T sum = 0;
    for (Index k = 0; k < r.outputs; ++k) sum += r.b[i][k] * r.delta_row[k];
    sent[i] = sum;
  }
}

// W_out ← W_out + rate δ hᵀ − decay W_out
template <class T>
inline void readout_learns(const RecurrentRun<T>& r) {
  for (Index c = 0; c < r.outputs; c += lanes<T>) {
    const Vec<T> delta = load(r.delta_row + c), change = r.out_rate * delta;
    T* w = r.w_out.data + c;
    for (Index i = 0; i < r.layer.cols; ++i, w += r.w_out.ld) {
      const Vec<T> old = load(w);
      Vec<T> made = r.h[i] * change + old;
      if (r.out_decay != 0) made -= r.out_decay * old;
      store(w, made);
    }
    if (!r.bias_out) continue;
    const Vec<T> old = load(r.bias_out + c);
    store(r.bias_out + c, (old + r.out_bias_rate * delta) - r.out_bias_decay * old);
  }
}

// The traces of the biases, and these.
template <class T>
inline void biases_learn(const RecurrentTrace<T>& t, const T* slope, const T* sent) {
  T* const traces = t.trace[t.depth];
  for (Index i = 0; t.bias && i < t.cols; i += lanes<T>) {
    const Vec<T> trace = load(slope + i) + t.keep * load(traces + i);
    store(traces + i, trace);
    if (!sent) continue;
    const Vec<T> old = load(t.bias + i);
    Vec<T> made = (t.bias_rate * load(sent + i)) * trace + old;
    if (t.bias_decay != 0) made -= t.bias_decay * old;
    store(t.bias + i, made);
  }
}

template <class T>
void recurrent_run(const RecurrentRun<T>& r) {
  const RecurrentTrace<T>& t = r.layer;
  const Index width = round_up(t.cols, lanes<T>), inputs = r.inputs;
  const bool learns{r.b};
  const bool small = 2 * t.depth * t.w.ld * static_cast<Index>(sizeof(T)) <= recurrent_first_cache;
  const int most = small ? 1 : recurrent_waits;
  Waiting<T> waiting;
  const auto place = [&](int row) { return r.room[row]; };
  const auto see = [&](T* z, Index s) {
    const T* const x = s < r.delay ? r.past[s] : r.x[r.order[s - r.delay]];
    std::memcpy(z, x, static_cast<std::size_t>(inputs) * sizeof(T));
    std::memcpy(z + inputs, r.h, static_cast<std::size_t>(t.cols) * sizeof(T));
  };
  *r.done = 0;
  if (r.steps == 0) return;
  T *next = place(0), *sent = place(1), *z = place(2);
  see(z, 0);
  recurrent_product<T>(z, t.depth, t.w, t.cols, next);
  for (Index s = 0; s < r.steps; ++s) {
    const Index row = r.order[s];
    T* const slope = place(3 + recurrent_waits + waiting.count);
    // The new state lies in `next` until it is known that this step is done.
    bool ok = recurrent_finish(next, t.bias, r.h, slope, t.cols, r.activation, r.share);
    int bad = 0;
    double loss = 0, weight = 0;
    unsigned char wrong = 0;
    if (ok) {
      tiny_product<T>(next, t.cols, r.w_out, r.outputs, r.y_row);
      for (Index i = 0; r.bias_out && i < r.outputs; i += lanes<T>) {
        store(r.y_row + i, load(r.y_row + i) + load(r.bias_out + i));
      }
      output_row(Output<T>{1,
                           {r.y_row, 0},
                           r.outputs,
                           r.output_activation,
                           r.loss,
                           r.y,
                           &row,
                           {r.delta_row, 0},
                           &loss,
                           &wrong,
                           &bad,
                           r.weight,
                           &weight},
                 0);
      ok = !bad;
    }
    if (ok && learns) {
      send(r, sent);
      ok = row_within_limit(sent, width);
    }
    if (!ok) {
      pass_over(t, waiting, z, next, learns, true);  // what was left of the steps before
      return;
    }
    std::memcpy(r.h, next, static_cast<std::size_t>(width) * sizeof(T));
    biases_learn(t, slope, learns ? sent : nullptr);
    T* const change = place(3 + 2 * recurrent_waits + waiting.count);
    for (Index i = 0; learns && i < width; i += lanes<T>) store(change + i, t.rate * load(sent + i));
    waiting.z[waiting.count] = z;
    waiting.slope[waiting.count] = slope;
    waiting.change[waiting.count] = change;
    ++waiting.count;
    const bool last = s + 1 == r.steps;
    z = place(2 + static_cast<int>((s + 1) % (recurrent_waits + 1)));
    see(z, last ? s : s + 1);
    pass_over(t, waiting, z, next, learns, last || waiting.count == most);
    if (r.readout_learns) readout_learns(r);
    *r.loss_sum += loss;
    *r.wrong += wrong;
    if (r.weight) *r.missed += wrong * weight;
    *r.done = s + 1;
  }
}

}  // namespace
}  // namespace fastfa

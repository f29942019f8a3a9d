// Tiny networks of one kind that learn online side by side, one in each lane of a vector. They see the
// same examples, so an input is one number for all of them; everything else is a vector.
#pragma once

#include "kernels/output.h"
#include "kernels/tiny_ops.h"

namespace fastfa {
namespace {

// Row o of a matrix of lanes.
template <class T>
inline Vec<T> lane(const T* m, Index at) {
  return load(m + at * lanes<T>);
}
template <class T>
inline void set_lane(T* m, Index at, Vec<T> v) {
  store(m + at * lanes<T>, v);
}

template <class T>
inline Vec<T> learned(const LaneRun<T>& r, Vec<T> w, Vec<T> gradient) {
  return r.decays ? w + (gradient - load(r.decay) * w) : w + gradient;
}

// a = W x + b for O outputs from o on, x one number per input. With `deferred`, the last step's update
// of W, last · δᵀ, is made in the same pass.
template <class T, int O, bool deferred>
inline void lane_inputs(const LaneRun<T>& r, const TinyLayer<T>& l, const T* x, const T* last, Index o) {
  Vec<T> acc[O], step[O];
  for (int k = 0; k < O; ++k) {
    acc[k] = l.bias ? lane(l.bias, o + k) : Vec<T>{};
    step[k] = load(r.rate) * lane(l.delta, o + k);
  }
  for (Index i = 0; i < l.n_in; ++i) {
    T* w = l.w.data + (i * l.n_out + o) * lanes<T>;
#pragma GCC unroll 8
    for (int k = 0; k < O; ++k) {
      Vec<T> weight = lane(w, k);
      if (deferred) {
        weight = learned<T>(r, weight, last[i] * step[k]);
        set_lane(w, k, weight);
      }
      acc[k] += x[i] * weight;
    }
  }
  for (int k = 0; k < O; ++k) set_lane(l.h, o + k, acc[k]);
}

// c[o] = start[o] + Σ_k x[k] B(k, o), everything vectors; B(k, o) at b[k · bk + o · bo].
template <class T, int O>
inline void lane_sums(const T* x, Index depth, const T* b, Index bk, Index bo, const T* start, Index o,
                      T* c) {
  Vec<T> acc[O];
  for (int k = 0; k < O; ++k) acc[k] = start ? lane(start, o + k) : Vec<T>{};
  for (Index i = 0; i < depth; ++i) {
    const Vec<T> value = lane(x, i);
#pragma GCC unroll 8
    for (int k = 0; k < O; ++k) acc[k] += value * lane(b, i * bk + (o + k) * bo);
  }
  for (int k = 0; k < O; ++k) set_lane(c, o + k, acc[k]);
}

// Calls f(first output, Rows<O>) with O of at most 8.
template <class F>
inline void for_outputs(Index n, F&& f) {
  Index o = 0;
  for (; o + 8 <= n; o += 8) f(o, Rows<8>{});
  if (o + 4 <= n) f(o, Rows<4>{}), o += 4;
  for (; o < n; ++o) f(o, Rows<1>{});
}

template <class T>
inline void lane_product(const T* x, Index depth, const T* b, Index bk, Index bo, const T* start,
                         Index n, T* c) {
  for_outputs(n, [&](Index o, auto width) {
    lane_sums<T, decltype(width)::value>(x, depth, b, bk, bo, start, o, c);
  });
}

template <class T>
inline void lane_update(const LaneRun<T>& r, const TinyLayer<T>& l, const T* below) {
  for (Index i = 0; i < l.n_in; ++i) {
    const Vec<T> step = load(r.rate) * lane(below, i);
    T* w = l.w.data + i * l.n_out * lanes<T>;
    for (Index o = 0; o < l.n_out; ++o)
      set_lane(w, o, learned<T>(r, lane(w, o), step * lane(l.delta, o)));
  }
}
template <class T>
inline void lane_bias(const LaneRun<T>& r, const TinyLayer<T>& l) {
  if (!l.bias) return;
  for (Index o = 0; o < l.n_out; ++o) {
    set_lane(l.bias, o, lane(l.bias, o) + load(r.rate) * lane(l.delta, o));
  }
}

// y = σ(a), δ_L, and each lane's loss; false where a value is out of range.
template <class T>
inline bool lane_output(const LaneRun<T>& r, const TinyLayer<T>& top, const T* y, Vec<T>* loss,
                        Mask<T>* best) {
  const auto activation = top.activation;
  const bool squared = r.loss == Loss::squared_error;
  const Index size = top.n_out * lanes<T>;
  bool ok = row_within_limit(top.h, size);
  *loss = Vec<T>{};
  if (!squared) {
    const Eigen::Map<const Eigen::Array<T, Eigen::Dynamic, 1>, Eigen::AlignedMax> a(top.h, size);
    Piece<T>(r.scratch, size) = a.max(T(0)) + (-a.abs()).exp().log1p();
    for (Index o = 0; o < top.n_out; ++o) *loss += lane(r.scratch, o) - y[o] * lane(top.h, o);
  }
  activate(top.h, size, activation);
  Vec<T> largest = lane(top.h, 0);
  *best = Mask<T>{};
  for (Index o = 0; o < top.n_out; ++o) {
    const Vec<T> value = lane(top.h, o), e = y[o] - value;
    const Mask<T> larger = value > largest;
    largest = larger ? value : largest;
    *best = larger ? Mask<T>{} + static_cast<std::int32_t>(o) : *best;
    if (squared) *loss += T(0.5) * e * e;
    set_lane(top.delta, o, e);
  }
  if (squared) times_derivative(top.delta, top.h, size, activation);
  return ok & row_within_limit(top.delta, size);
}

template <class T>
inline bool lane_feedback(const TinyLayer<T>& l) {
  if (!l.b) return true;
  const Index bk = l.transposed ? 1 : l.n_out, bo = l.transposed ? l.n_src : 1;
  lane_product<T>(l.source, l.n_src, l.b.data, bk, bo, nullptr, l.n_out, l.delta);
  times_derivative(l.delta, l.h, l.n_out * lanes<T>, l.activation);
  return row_within_limit(l.delta, l.n_out * lanes<T>);
}

template <class T>
void lane_run(const LaneRun<T>& r) {
  const TinyLayer<T>& bottom = r.layers[0];
  const TinyLayer<T>& top = r.layers[r.count - 1];
  const auto learns = [&](const TinyLayer<T>& l) { return l.trainable && (&l == &top || l.b); };
  const T* last = nullptr;  // the example whose update the first layer's weights still wait for
  const auto first_layer = [&](const T* x) {
    for_outputs(bottom.n_out, [&](Index o, auto width) {
      constexpr int O = decltype(width)::value;
      last ? lane_inputs<T, O, true>(r, bottom, x, last, o)
           : lane_inputs<T, O, false>(r, bottom, x, x, o);
    });
  };
  Index step = 0;
  for (; step < r.n; ++step) {
    const T* x = r.x[r.order[step]];
    const T* y = r.y[r.order[step]];
    bool ok = true;
    for (Index i = 0; i < bottom.n_in; ++i) ok &= x[i] < value_limit<T> && x[i] > -value_limit<T>;
    if (!ok) break;
    first_layer(x);
    last = nullptr;
    for (Index k = 0; k < r.count; ++k) {
      const TinyLayer<T>& l = r.layers[k];
      if (k > 0) lane_product<T>(r.layers[k - 1].h, l.n_in, l.w.data, l.n_out, 1, l.bias, l.n_out, l.h);
      if (k + 1 == r.count) break;
      ok &= row_within_limit(l.h, l.n_out * lanes<T>);
      activate(l.h, l.n_out * lanes<T>, l.activation);
    }
    Vec<T> loss;
    Mask<T> best;
    ok &= lane_output(r, top, y, &loss, &best);
    const T weight = r.weight ? r.weight[r.order[step]] : T(1);
    if (r.weight) ok &= weigh(weight, top.delta, top.n_out * lanes<T>);
    for (Index k = r.count - 2; k >= 0; --k) ok &= lane_feedback(r.layers[k]);
    if (!ok) break;

    const Index right = argmax(y, top.n_out);
    if (r.weight) {
      for (int i = 0; i < lanes<T>; ++i) {
        r.loss_sum[i] += static_cast<double>(weight) * loss[i];
        r.missed[i] += best[i] != right ? weight : T(0);
      }
    } else {
      for (int i = 0; i < lanes<T>; ++i) r.loss_sum[i] += loss[i];
    }
    for (int i = 0; i < lanes<T>; ++i) r.wrong[i] += best[i] != right;
    for (Index k = 0; k < r.count; ++k) {
      const TinyLayer<T>& l = r.layers[k];
      if (!learns(l)) continue;
      lane_bias(r, l);
      if (k == 0) {
        last = x;
      } else {
        lane_update(r, l, r.layers[k - 1].h);
      }
    }
  }
  if (last) first_layer(last);
  *r.done = step;
}

}  // namespace
}  // namespace fastfa

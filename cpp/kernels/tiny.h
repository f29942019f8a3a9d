// Online learning of a network so small that calling an operation costs more than doing it: whole steps,
// one after another, with everything in one core's first cache.
#pragma once

#include "kernels/output.h"
#include "kernels/small_batch.h"
#include "kernels/tiny_ops.h"

namespace fastfa {
namespace {

// c (cols) = x (depth) · B (depth, cols)
template <class T>
inline void tiny_product(const T* x, Index depth, View<const T> b, Index cols, T* c) {
  const ColumnRange all{0, static_cast<std::int32_t>(depth)};
  const SmallBatch<T> row{{x, 0}, 1, {&all, 1}};
  const auto piece = [&](auto vecs) { narrow_sum<T, vecs.value>(row, x, 0, depth, b, c); };
  constexpr Index wide = 4 * lanes<T>;
  for (; cols > 0; cols -= wide, b = b.from(0, wide), c += wide) {
    const Index vecs = (min(cols, wide) + lanes<T> - 1) / lanes<T>;
    with_rows<decltype(piece)&, 4>(static_cast<int>(vecs), piece);
  }
}

// c (rows) = B (rows, depth) · x (depth)
template <class T>
inline void tiny_dots(const T* x, Index depth, View<const T> b, Index rows, T* c) {
  for (Index r = 0; r < rows; ++r) {
    Vec<T> sum{};
    for (Index k = 0; k < depth; k += lanes<T>) sum += load(b[r] + k) * load(x + k);
    T total = 0;
    for (int i = 0; i < lanes<T>; ++i) total += sum[i];
    c[r] = total;
  }
}

// h = σ(W x + b); the last layer stays at its pre-activation.
template <class T>
inline bool tiny_layer_forward(const TinyLayer<T>& l, const T* x, bool output) {
  const Index width = round_up(l.n_out, lanes<T>);
  tiny_product<T>(x, l.n_in, l.w, l.n_out, l.h);
  if (l.bias) {
    for (Index i = 0; i < width; i += lanes<T>) store(l.h + i, load(l.h + i) + load(l.bias + i));
  }
  if (output) return true;  // output_row looks
  const bool ok = row_within_limit(l.h, width);
  activate(l.h, width, l.activation);
  for (Index i = l.n_out; i < width; ++i) l.h[i] = 0;
  return ok;
}

// δ = (B δ_source) ∘ σ′
template <class T>
inline bool tiny_layer_feedback(const TinyLayer<T>& l) {
  if (!l.b) return true;
  const Index width = round_up(l.n_out, lanes<T>);
  if (l.transposed) {
    tiny_dots(l.source, l.n_src, l.b, l.n_out, l.delta);
  } else {
    tiny_product(l.source, l.n_src, l.b, l.n_out, l.delta);
  }
  times_derivative(l.delta, l.h, width, l.activation);
  return row_within_limit(l.delta, width);
}

// W ← W + η (δ hᵀ − γ W)
template <class T>
inline void tiny_layer_update(const TinyStep<T>& s, const TinyLayer<T>& layer, const T* below,
                              bool output) {
  // A copy: for Clang a store of a vector may change anything, and what may have changed is read again.
  // The decay isn't copied: GCC would round otherwise.
  const TinyLayer<T> l = layer;
  const bool silent = !output && !l.b;  // nothing is sent to it
  if (!l.trainable || silent) return;
  const Index width = round_up(l.n_out, lanes<T>);
  for (Index c = 0; c < width; c += lanes<T>) {
    const Vec<T> step = s.rate * load(l.delta + c);
    for (Index i = 0; i < l.n_in; ++i) {
      T* w = l.w[i] + c;
      const Vec<T> old = load(w);
      store(w, s.decay == 0 ? old + below[i] * step : old + (below[i] * step - s.decay * old));
    }
    if (l.bias) store(l.bias + c, load(l.bias + c) + step);
  }
}

// The three parts of a step. They are never inlined: so a step in parts and a run of steps do the same
// arithmetic to the last bit.
template <class T>
[[gnu::noinline]] bool tiny_forward(const TinyStep<T>& s) {
  bool ok = row_within_limit(s.input, round_up(s.layers[0].n_in, lanes<T>));
  for (Index l = 0; l < s.count; ++l) {
    ok &= tiny_layer_forward(s.layers[l], l > 0 ? s.layers[l - 1].h : s.input, l + 1 == s.count);
  }
  return ok;
}

template <class T>
[[gnu::noinline]] bool tiny_feedback(const TinyStep<T>& s) {
  bool ok = true;
  for (Index l = s.count - 2; l >= 0; --l) ok &= tiny_layer_feedback(s.layers[l]);
  return ok;
}

template <class T>
[[gnu::noinline]] void tiny_update(const TinyStep<T>& s) {
  for (Index l = 0; l < s.count; ++l) {
    tiny_layer_update(s, s.layers[l], l > 0 ? s.layers[l - 1].h : s.input, l + 1 == s.count);
  }
}

template <class T>
void tiny_run(const TinyRun<T>& r) {
  const TinyLayer<T>& top = r.layers[r.count - 1];
  const auto bytes = static_cast<std::size_t>(r.layers[0].n_in) * sizeof(T);
  const TinyStep<T> step{r.layers, r.count, r.rate, r.input, r.decay};
  for (*r.done = 0; *r.done < r.n; ++*r.done) {
    const Index example = r.order[*r.done];
    std::memcpy(r.input, r.x[example], bytes);
    const bool ok = tiny_forward(step);

    int bad = 0;
    double loss = 0, weight = 0;
    unsigned char wrong = 0;
    output_row(Output<T>{1,
                         {top.h, 0},
                         top.n_out,
                         top.activation,
                         r.loss,
                         r.y,
                         &example,
                         {top.delta, 0},
                         &loss,
                         &wrong,
                         &bad,
                         r.weight,
                         &weight},
               0);
    if (!ok || bad || !tiny_feedback(step)) return;
    tiny_update(step);
    *r.loss_sum += loss;
    *r.wrong += wrong;
    if (r.weight) *r.missed += wrong * weight;
  }
}

}  // namespace
}  // namespace fastfa

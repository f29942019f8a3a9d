// Learning from a few examples in one pass over W: the update that the last batch left, and the product
// with this one's h. A row of W is read once, changed, added to the sums while it is in registers, and
// written.
//
//   W ← W + η (s δᵀ h_last − γ W),  then  a = σ(h W + b)        cut into chunks of rows, as both alone
//
// Every element is what dense_update and dense_forward, one after the other, would make of it, bit by
// bit. A row that has no input, now or before, isn't looked at: its decay stays pending until it has one
// (apply_pending_decays).
#pragma once

#include "kernels/dense_forward.h"
#include "kernels/dense_update.h"

namespace fastfa {
namespace {

template <class T>
int dense_online_tiles(const DenseOnline<T>& o) {
  return dense_forward_tiles(o.forward);
}

// c[e, :] += Σ of the pending rows, each times its h, all of them updated first.
template <class T, int N, bool Decay>
inline void learn_rows(const DenseUpdate<T>& u, const RowStep<T, N> (&rows)[Pending<T, N>::most],
                       const Pending<T, N>& p, Index c0, Index cols, View<T> c) {
  constexpr int R = Pending<T, N>::most;
  // Copies, which a store to W or c can't change: the compiler reads them once.
  const T rate = u.rate, decay = u.decay;
  RowStep<T, N> step[R];
  T h[N][R];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
    step[r] = rows[r];
#pragma GCC unroll 8
    for (int e = 0; e < N; ++e) h[e][r] = p.h[e][r];
  }
  for (Index i = 0; i < cols; i += lanes<T>) {
    Vec<T> delta[N], row[R];
    load_deltas(u, c0 + i, delta);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      T* w = step[r].w + c0 + i;
      row[r] = step[r].template plain<Decay>(rate, decay, load(w), delta);
      store(w, row[r]);
    }
#pragma GCC unroll 8
    for (int e = 0; e < N; ++e) {
      Vec<T> sum = load(c[e] + i);
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) sum += h[e][r] * row[r];
      store(c[e] + i, sum);
    }
  }
}

// Are the inputs k … k + lanes zero, of this batch and of the last?
template <class T, int N>
inline bool silent(const DenseForward<T>& f, const DenseUpdate<T>& u, Index k) {
  Mask<T> zero = (load(f.h.data + k) == 0) & (load(u.h.data + k) == 0);
  for (int e = 1; e < N; ++e) {
    zero &= (load(f.h[e] + k) == 0) & (load(u.h[e] + k) == 0);
  }
  return all<T>(zero);
}

// Columns c0 … c0 + cols of the rows k0 … k1, for N examples now and N before. SkipDecay: W
// decays, and the decay of a row without input stays pending.
template <class T, int N, bool SkipDecay>
inline void wide_online(const DenseOnline<T>& o, Index k0, Index k1, Index c0, Index cols, View<T> c) {
  const DenseForward<T>& f = o.forward;
  const DenseUpdate<T>& u = o.last;
  for (int e = 0; e < N; ++e) {
    for (Index i = 0; i < cols; i += lanes<T>) store(c[e] + i, Vec<T>{});
  }
  Pending<T, N> pending;
  RowStep<T, N> steps[Pending<T, N>::most];
  Index at[Pending<T, N>::most];
  int learning = 0;  // of the pending rows, how many have an update to come
  const auto add = [&] {
    if (pending.count == pending.most && learning == pending.most) {
      if (u.decay == 0) {
        learn_rows<T, N, false>(u, steps, pending, c0, cols, c);
      } else {
        learn_rows<T, N, true>(u, steps, pending, c0, cols, c);
      }
      pending.count = 0;
    } else {
      for (int p = 0; p < pending.count; ++p) update_row<T, N>(u, at[p], c0, c0 + cols);
      add_pending(pending, cols, c);
    }
    learning = 0;
  };
  const bool last = c0 + cols >= f.n_out;
  for (Index k = k0; k < k1; ++k) {
    while ((SkipDecay || u.decay == 0) && k % lanes<T> == 0 && k + lanes<T> <= k1 &&
           silent<T, N>(f, u, k)) {
      for (int i = 0; SkipDecay && last && i < lanes<T>; ++i) ++u.pending_decays[k + i];
      k += lanes<T>;
    }
    if (k == k1) break;
    const int slot = pending.count;
    const bool taken = take(pending, f.h, k, u.w[k] + c0);
    if constexpr (SkipDecay) {
      bool learns = false;
      for (int e = 0; e < N; ++e) learns |= u.h[e][k] != 0;
      if (!taken && !learns) {
        u.pending_decays[k] += last;
        continue;
      }
      if (u.pending_decays[k] != 0) apply_pending_decays(u, k, c0, c0 + cols);
    }
    if (!taken) {
      update_row<T, N>(u, k, c0, c0 + cols);
      continue;
    }
    at[slot] = k;
    steps[slot] = RowStep<T, N>(u, k);
    learning += steps[slot].any || u.decay != 0;
    if (pending.count == pending.most) add();
  }
  add();
}

template <class T>
void dense_online_run(const DenseOnline<T>& o, int tile, int tile_end) {
  const DenseForward<T>& f = o.forward;
  const Index chunks = row_chunks(f.n, f.n_in, f.n_out), ldc = padded_cols(f.n_out);
  for (; tile < tile_end; ++tile) {
    if (narrow<T>(f.n_out)) {  // such a W leaves no cache: one after the other
      update_few(o.last, tile);
      row_product({f.h, f.n, f.ranges}, f.n_in, f.w, f.n_out, tile, f.partial);
      continue;
    }
    const Index k0 = chunk_begin(tile, chunks, f.n_in), k1 = chunk_begin(tile + 1, chunks, f.n_in);
    T* c = f.partial + tile * f.n * ldc;
    with_few(f.n, [&](auto n) {
      for_column_blocks<T>(f.n, f.n_out, [&](Index c0, Index cols) {
        if (o.last.pending_decays && o.last.decay != 0) {
          wide_online<T, decltype(n)::value, true>(o, k0, k1, c0, cols, {c + c0, ldc});
        } else {
          wide_online<T, decltype(n)::value, false>(o, k0, k1, c0, cols, {c + c0, ldc});
        }
      });
    });
  }
}

template <class T>
void dense_online_finish(const DenseOnline<T>& o) {
  update_bias(o.last, 0, o.last.n_out);
  dense_forward_finish(o.forward);
}

}  // namespace
}  // namespace fastfa

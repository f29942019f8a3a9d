// Online learning in one pass over W: the update that the last example left, and the product with this
// one's h. A row of W is read once, changed, added to the sum while it is in registers, and written.
//
//   W ← W + η (h_last δᵀ − γ W),  then  a = σ(h W + b)          cut into chunks of rows, as both alone
//
// Every element is what dense_update and dense_forward, one after the other, would make of it, bit by bit.
#pragma once

#include "kernels/dense_forward.h"
#include "kernels/dense_update.h"

namespace fastfa {
namespace {

template <class T>
int dense_online_tiles(const DenseOnline<T>& o) {
  return dense_forward_tiles(o.forward);
}

// c += Σ of R rows, each times its h, all of them updated first.
template <class T, int R>
inline void learn_rows(const DenseUpdate<T>& u, const Index* rows, const T* h, Index cols, T* c) {
  T* w[R];
  T rate[R], last[R];
  for (int r = 0; r < R; ++r) {
    w[r] = u.w + rows[r] * u.ldw;
    last[r] = u.h[rows[r]];
    rate[r] = u.rate * last[r];
  }
  const auto pass = [&](auto decays) {
    for (Index i = 0; i < cols; i += lanes<T>) {
      const Vec<T> delta = load(u.delta + i);
      Vec<T> sum = load(c + i);
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) {
        const Vec<T> row = updated<T, decltype(decays)::value>(u, load(w[r] + i), last[r], rate[r], delta);
        store(w[r] + i, row);
        sum += h[r] * row;
      }
      store(c + i, sum);
    }
  };
  if (u.decay == 0) return pass(Decays<false>{});
  pass(Decays<true>{});
}

// The rows k0 … k1 of W, which has more than four vectors of columns.
template <class T>
inline void wide_online(const DenseOnline<T>& o, Index k0, Index k1, T* c) {
  const DenseForward<T>& f = o.forward;
  const DenseUpdate<T>& u = o.last;
  constexpr int group = 4;
  for (Index i = 0; i < f.n_out; i += lanes<T>) store(c + i, Vec<T>{});
  Index rows[group];
  T h[group];
  int pending = 0, learning = 0;  // of the pending rows, how many have an update to come
  const auto add = [&] {
    if (pending == group && learning == group) {
      learn_rows<T, group>(u, rows, h, f.n_out, c);
    } else {
      for (int p = 0; p < pending; ++p) {
        update_row(u, rows[p]);
        const T* row = u.w + rows[p] * u.ldw;
        add_rows<T, 1>(&row, h + p, f.n_out, c);
      }
    }
    pending = learning = 0;
  };
  for (Index k = k0; k < k1; ++k) {
    const bool moves = u.h[k] != 0 || u.decay != 0;
    if (f.h[k] == 0) {
      if (moves) update_row(u, k);
      continue;
    }
    rows[pending] = k;
    h[pending++] = f.h[k];
    learning += moves;
    if (pending == group) add();
  }
  add();
}

template <class T>
void dense_online_run(const DenseOnline<T>& o, int tile, int tile_end) {
  const DenseForward<T>& f = o.forward;
  const Index chunks = row_chunks(f.n_in, f.n_out);
  for (; tile < tile_end; ++tile) {
    if (f.n_out > 4 * lanes<T>) {
      wide_online(o, chunk_begin(tile, chunks, f.n_in), chunk_begin(tile + 1, chunks, f.n_in),
                  f.partial + tile * padded_cols(f.n_out));
    } else {  // a few rows of W fill no cache: one after the other
      update_rank1(o.last, tile);
      row_product(f.h, f.runs, f.n_runs, f.n_in, f.w, f.ldw, f.n_out, tile, f.partial);
    }
  }
}

template <class T>
void dense_online_finish(const DenseOnline<T>& o) {
  update_bias(o.last, 0, o.last.n_out);
  dense_forward_finish(o.forward);
}

}  // namespace
}  // namespace fastfa

// v ← α v + (ηs hᵀδ − ηγ W), W ← W + v, in one pass over W: hᵀ (n_in, n) · δ (n, n_out) is formed a
// tile at a time in registers and applied at once. Accumulates into w, v, bias and v_bias.
#pragma once

#include "kernels/one_row.h"
#include "kernels/panels.h"

namespace fastfa {
namespace {

// Cut along rows first: each thread then writes one contiguous part of W. Cut along columns, the cores'
// prefetchers would run into one another's freshly written lines, and two threads be no faster than one.
template <class T>
Grid update_grid(const DenseUpdate<T>& u) {
  const Index panels = (u.n_out + panel<T> - 1) / panel<T>;
  if (tiny(u.n_in, u.n_out, u.n)) return {1, 1, panels * panel<T>};
  const Index row_chunks = max(1, min(8, u.n_in / (4 * tile_rows)));
  const Index col_chunks = min(panels, 8 / row_chunks);
  return {row_chunks, col_chunks, (panels + col_chunks - 1) / col_chunks * panel<T>};
}
template <class T>
int dense_update_tiles(const DenseUpdate<T>& u) {
  return u.n == 1 ? static_cast<int>(row_chunks(u.n_in, u.n_out)) : update_grid(u).tiles();
}

// One vector of W (and v): `first` and `last` mark the ends of a batch that is taken in pieces.
template <class T>
inline void apply(const DenseUpdate<T>& u, T* w, T* v, Vec<T> gradient, T decay, bool first, bool last) {
  Vec<T> old = load(w);
  Vec<T> step = u.lr * gradient;
  if (first && decay != 0) step -= decay * old;
  if (v) {
    const Vec<T> before = load(v);
    step += first ? u.momentum * before : before;
    store(v, step);
    if (last) store(w, old + step);
  } else {
    store(w, old + step);
  }
}

template <class T>
inline void update_bias(const DenseUpdate<T>& u, Index c0, Index c1) {
  if (!u.bias) return;
  for (Index c = c0; c < c1; c += lanes<T>) {
    Vec<T> sum{};
    for (Index n = 0; n < u.n; ++n) sum += load(u.delta + n * u.ldd + c);
    apply(u, u.bias + c, u.v_bias ? u.v_bias + c : nullptr, sum, T(0), true, true);
  }
}

// One example: rank-1, row by row, in the chunks of the forward product. Rows of inputs that are zero
// are left alone unless W moves anyway.
template <class T>
inline void update_rank1(const DenseUpdate<T>& u, Index chunk) {
  const bool plain = !u.v && u.decay == 0;
  const Index chunks = row_chunks(u.n_in, u.n_out);
  const Index i0 = chunk_begin(chunk, chunks, u.n_in), i1 = chunk_begin(chunk + 1, chunks, u.n_in);
  for (Index r = 0; r < u.n_runs; ++r) {
    for (Index i = max(u.runs[r].begin, i0); i < min(u.runs[r].end, i1); ++i) {
      const T h = u.h[i];
      if (plain && h == 0) continue;
      T* w = u.w + i * u.ldw;
      if (plain) {
        const T rate = u.lr * h;
        for (Index c = 0; c < u.n_out; c += lanes<T>) {
          store(w + c, load(w + c) + rate * load(u.delta + c));
        }
      } else {
        T* v = u.v ? u.v + i * u.ldw : nullptr;
        for (Index c = 0; c < u.n_out; c += lanes<T>) {
          apply(u, w + c, v ? v + c : nullptr, h * load(u.delta + c), u.decay, true, true);
        }
      }
    }
  }
}

// Rows i … i + M of W, V vectors wide at column c, with examples n0 … n1 (packed at d).
template <class T, int M, int V>
inline void update_tile(const DenseUpdate<T>& u, Index i, Index c, const T* d, Index n0, Index n1) {
  T* w = u.w + i * u.ldw + c;
  for (int m = 0; m < M; ++m) {
    for (int v = 0; v < V; ++v) __builtin_prefetch(w + m * u.ldw + v * lanes<T>, 1);
  }
  Vec<T> acc[M][V] = {};
  const Operand<T> x{u.h + n0 * u.ldh + i, 1, u.ldh, d, panel<T>};
  accumulate<T, M, V>(acc, x, 0, n1 - n0);
  const bool first = n0 == 0, last = n1 == u.n;
  for (int m = 0; m < M; ++m) {
    T* velocity = u.v ? u.v + (i + m) * u.ldw + c : nullptr;
    for (int v = 0; v < V; ++v) {
      apply(u, w + m * u.ldw + v * lanes<T>, velocity ? velocity + v * lanes<T> : nullptr, acc[m][v],
            u.decay, first, last);
    }
  }
}

template <class T>
void dense_update_run(const DenseUpdate<T>& u, int tile, int tile_end) {
  const Grid g = update_grid(u);
  for (; tile < tile_end; ++tile) {
    if (u.n == 1) {
      if (tile == 0) update_bias(u, 0, u.n_out);
      update_rank1(u, tile);
      continue;
    }
    const Block t = block_of(g, tile, u.n_in, u.n_out);
    if (t.r0 == 0) update_bias(u, t.c0, t.c1);
    for_panels<T>(t.c0, t.c1, [&](Index c, Index, auto vecs) {
      constexpr int V = decltype(vecs)::value;
      alignas(64) T packed[k_block * panel<T>];
      for (Index n0 = 0; n0 < u.n; n0 += k_block) {
        const Index n1 = min(n0 + k_block, u.n);
        pack_rows<T, V>(u.delta + c, u.ldd, n0, n1, packed);
        for (Index r = 0; r < u.n_runs; ++r) {
          const Index begin = max(u.runs[r].begin, t.r0), end = min(u.runs[r].end, t.r1);
          if (begin >= end) continue;
          for_row_tiles(end - begin, [&](Index m, auto height) {
            constexpr int M = decltype(height)::value;
            update_tile<T, M, V>(u, begin + m, c, packed, n0, n1);
          });
        }
      }
    });
  }
}

}  // namespace
}  // namespace fastfa

// Sparse feedback by rows of B. One example: each unit gathers its sum. A batch: the source lies
// transposed, so that a value of B meets a whole vector of examples.
#pragma once

#include "kernels/feedback_product.h"

namespace fastfa {
namespace {

constexpr Index sparse_units = 64;  // units of one tile, a multiple of every vector width
constexpr int sparse_vecs = 8;      // vectors of examples that are kept in registers

template <class T>
int propagate_sparse_tiles(const PropagateSparse<T>& p) {
  if (tiny(p.n, 1, p.start[p.n_l])) return 1;
  return static_cast<int>((p.n_l + sparse_units - 1) / sparse_units);
}

// Sums over k in order, four apart to hide latency.
template <class T>
inline void sparse_row(const PropagateSparse<T>& p, Index j) {
  T sum[4] = {};
  Index i = p.start[j];
  const Index end = p.start[j + 1];
  for (; i + 4 <= end; i += 4) {
    for (int u = 0; u < 4; ++u) sum[u] += p.value[i + u] * p.source.data[p.column[i + u]];
  }
  for (; i < end; ++i) sum[0] += p.value[i] * p.source.data[p.column[i]];
  p.delta.data[j] = (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

// Units j0 … j0 + lanes for V vectors of examples from n0 on.
template <class T, int V>
inline void sparse_block(const PropagateSparse<T>& p, Index j0, Index n0) {
  constexpr int n = lanes<T>;
  Vec<T> sums[V][n] = {};  // [vector of examples][unit]
  for (int j = 0; j < min(n, p.n_l - j0); ++j) {
    Vec<T> acc[V] = {};
    for (Index i = p.start[j0 + j]; i < p.start[j0 + j + 1]; ++i) {
      const T* x = p.across[p.column[i]] + n0;
      const T b = p.value[i];
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) acc[v] += b * load(x + v * n);
    }
    for (int v = 0; v < V; ++v) sums[v][j] = acc[v];
  }
  for (int v = 0; v < V; ++v) {
    transpose_block<T>(sums[v]);
    const Index first = n0 + v * n;
    for (Index r = first; r < min(first + n, p.n); ++r) store(p.delta[r] + j0, sums[v][r - first]);
  }
}

template <class T>
void propagate_sparse_run(const PropagateSparse<T>& p, int tile, int tile_end) {
  const bool whole = propagate_sparse_tiles(p) == 1;
  const Index begin = whole ? 0 : tile * sparse_units;
  const Index end = whole ? p.n_l : min(tile_end * sparse_units, p.n_l);
  for (Index j = begin; j < end; j += lanes<T>) {
    if (p.n == 1) {
      for (Index i = j; i < min(j + lanes<T>, end); ++i) sparse_row(p, i);
    } else {
      const Index vecs = (p.n + lanes<T> - 1) / lanes<T>;
      for (Index v = 0; v < vecs; v += sparse_vecs) {
        const auto block = [&](auto count) {
          sparse_block<T, decltype(count)::value>(p, j, v * lanes<T>);
        };
        with_rows<decltype(block)&, sparse_vecs>(static_cast<int>(min(vecs - v, sparse_vecs)), block);
      }
    }
    finish_product(p, 0, p.n, j, min(lanes<T>, end - j));
  }
}

}  // namespace
}  // namespace fastfa

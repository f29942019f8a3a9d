// Online learning: products of a single row with a matrix, at the speed at which the matrix is read.
//
// The matrix is cut into chunks of whole rows, contiguous in memory, and each chunk is always taken by
// the same thread: its weights stay in that core's cache from forward to update to the next example, and
// no prefetcher runs into lines that another core is writing (with a cut along columns they all do). A
// chunk's partial sum goes to a row of its own; finish adds these up in order, so results don't depend
// on the number of threads.
#pragma once

#include "kernels/multiply.h"

namespace fastfa {
namespace {

inline Index row_chunks(Index depth, Index cols) {
  if (tiny(1, cols, 4 * depth)) return 1;
  return max(1, min(max_row_chunks, depth * cols / 16384));
}
inline Index chunk_begin(Index chunk, Index chunks, Index depth) { return chunk * depth / chunks; }

// c = Σ_{k in runs, k0 ≤ k < k1} h[k] · B[k, :] for V vectors of columns, kept in registers, with
// several partial sums to hide latency.
template <class T, int V>
inline void narrow_sum(const T* h, const Run* runs, Index n_runs, Index k0, Index k1, const T* b,
                       Index ldb, T* c) {
  constexpr int U = V >= 8 ? 1 : 8 / V;
  Vec<T> acc[U][V] = {};
  for (Index r = 0; r < n_runs; ++r) {
    const Index end = min(runs[r].end, k1);
    Index k = max(runs[r].begin, k0);
    for (; k + U <= end; k += U) {
      for (int u = 0; u < U; ++u) {
        for (int v = 0; v < V; ++v) acc[u][v] += h[k + u] * load(b + (k + u) * ldb + v * lanes<T>);
      }
    }
    for (; k < end; ++k) {
      for (int v = 0; v < V; ++v) acc[0][v] += h[k] * load(b + k * ldb + v * lanes<T>);
    }
  }
  for (int v = 0; v < V; ++v) {
    for (int u = 1; u < U; ++u) acc[0][v] += acc[u][v];
    store(c + v * lanes<T>, acc[0][v]);
  }
}

// c += Σ of R rows, each times its h: one pass over c for R rows.
template <class T, int R>
inline void add_rows(const T* const* rows, const T* h, Index cols, T* c) {
  for (Index i = 0; i < cols; i += lanes<T>) {
    Vec<T> sum = load(c + i);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) sum += h[r] * load(rows[r] + i);
    store(c + i, sum);
  }
}

// The same as narrow_sum for any number of columns: rows are read from end to end, four at a time, and
// those whose h is zero not at all.
template <class T>
inline void wide_sum(const T* h, const Run* runs, Index n_runs, Index k0, Index k1, const T* b,
                     Index ldb, Index cols, T* c) {
  for (Index i = 0; i < cols; i += lanes<T>) store(c + i, Vec<T>{});
  const T* rows[4];
  T scale[4];
  int pending = 0;
  for (Index r = 0; r < n_runs; ++r) {
    const Index end = min(runs[r].end, k1);
    for (Index k = max(runs[r].begin, k0); k < end; ++k) {
      if (h[k] == 0) continue;
      rows[pending] = b + k * ldb;
      scale[pending++] = h[k];
      if (pending == 4) {
        add_rows<T, 4>(rows, scale, cols, c);
        pending = 0;
      }
    }
  }
  for (int p = 0; p < pending; ++p) add_rows<T, 1>(rows + p, scale + p, cols, c);
}

// Chunk `chunk` of h · B (depth × cols) to its row of `partial`.
template <class T>
inline void row_product(const T* h, const Run* runs, Index n_runs, Index depth, const T* b, Index ldb,
                        Index cols, Index chunk, T* partial) {
  const Index chunks = row_chunks(depth, cols);
  const Index k0 = chunk_begin(chunk, chunks, depth), k1 = chunk_begin(chunk + 1, chunks, depth);
  T* c = partial + chunk * padded_cols(cols);
  switch ((cols + lanes<T> - 1) / lanes<T>) {
    case 1:
      return narrow_sum<T, 1>(h, runs, n_runs, k0, k1, b, ldb, c);
    case 2:
      return narrow_sum<T, 2>(h, runs, n_runs, k0, k1, b, ldb, c);
    case 3:
      return narrow_sum<T, 3>(h, runs, n_runs, k0, k1, b, ldb, c);
    case 4:
      return narrow_sum<T, 4>(h, runs, n_runs, k0, k1, b, ldb, c);
    default:
      return wide_sum(h, runs, n_runs, k0, k1, b, ldb, cols, c);
  }
}

// c = the sum of all chunks' rows.
template <class T>
inline void add_chunks(const T* partial, Index depth, Index cols, T* c) {
  const Index chunks = row_chunks(depth, cols), ld = padded_cols(cols);
  for (Index i = 0; i < cols; i += lanes<T>) {
    Vec<T> sum = load(partial + i);
    for (Index p = 1; p < chunks; ++p) sum += load(partial + p * ld + i);
    store(c + i, sum);
  }
}

}  // namespace
}  // namespace fastfa

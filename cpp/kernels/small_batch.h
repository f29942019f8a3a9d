// Learning from a few examples at a time: products of a few rows with a matrix, at the speed at which
// the matrix is read.
//
// The matrix is cut into chunks of whole rows, contiguous in memory, and each chunk is always taken by
// the same thread: its weights stay in that core's cache from forward to update to the next batch, and
// no prefetcher runs into lines that another core is writing (with a cut along columns they all do). A
// chunk's partial sums go to rows of their own; finish adds these up in order, so results don't depend
// on the number of threads.
#pragma once

#include "kernels/multiply.h"

namespace fastfa {
namespace {

// Calls f(Rows<n>) for n examples, 1 … small_batch.
template <class F>
inline void with_few(Index n, F&& f) {
  with_rows<F, static_cast<int>(small_batch)>(static_cast<int>(n), static_cast<F&&>(f));
}

inline Index row_chunks(Index n, Index depth, Index cols) {
  if (tiny(n, cols, 4 * depth)) return 1;
  const Index most = n <= 2 ? max_row_chunks : max_row_chunks / 2;  // partial_rows is enough for these
  return max(1, min(most, depth * cols / 16384));
}
inline Index chunk_begin(Index chunk, Index chunks, Index depth) { return chunk * depth / chunks; }

// n rows of h, and the ranges of columns outside which they are zero.
template <class T>
struct SmallBatch {
  View<const T> h;
  Index n;
  Ranges ranges;
};

// Calls f(k) for the rows of the matrix from k0 to k1 that meet something.
template <class T, class F>
inline void for_columns(const SmallBatch<T>& x, Index k0, Index k1, F&& f) {
  for (Index r = 0; r < x.ranges.count; ++r) {
    const Index end = min(x.ranges[r].end, k1);
    for (Index k = max(x.ranges[r].begin, k0); k < end; ++k) f(k);
  }
}

// c = Σ_{k in ranges, k0 ≤ k < k1} h[k] · B[k, :] for one row h and V vectors of columns, kept in
// registers, with several partial sums to hide latency.
template <class T, int V>
inline void narrow_sum(const SmallBatch<T>& x, const T* h, Index k0, Index k1, View<const T> b, T* c) {
  constexpr int U = V >= 8 ? 1 : 8 / V;
  Vec<T> acc[U][V] = {};
  for (Index r = 0; r < x.ranges.count; ++r) {
    const Index end = min(x.ranges[r].end, k1);
    Index k = max(x.ranges[r].begin, k0);
    for (; k + U <= end; k += U) {
      for (int u = 0; u < U; ++u) {
        for (int v = 0; v < V; ++v) acc[u][v] += h[k + u] * load(b[k + u] + v * lanes<T>);
      }
    }
    for (; k < end; ++k) {
      for (int v = 0; v < V; ++v) acc[0][v] += h[k] * load(b[k] + v * lanes<T>);
    }
  }
  for (int v = 0; v < V; ++v) {
    for (int u = 1; u < U; ++u) acc[0][v] += acc[u][v];
    store(c + v * lanes<T>, acc[0][v]);
  }
}

// A few rows of the matrix that are waiting to be added to the sums of N examples, and their h.
template <class T, int N>
struct Pending {
  static constexpr int most = 4;
  const T* row[most];
  T h[N][most];
  int count = 0;
};

// c[e, :] += Σ of R rows, each times its h: one pass over c for R rows.
template <class T, int R, int N>
inline void add_rows(const Pending<T, N>& p, int first, Index cols, View<T> c) {
  // Copies, which a store to c can't change: the compiler reads them once.
  const T* at[R];
  T h[N][R];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
    at[r] = p.row[first + r];
#pragma GCC unroll 8
    for (int e = 0; e < N; ++e) h[e][r] = p.h[e][first + r];
  }
  for (Index i = 0; i < cols; i += lanes<T>) {
    Vec<T> row[R];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) row[r] = load(at[r] + i);
#pragma GCC unroll 8
    for (int e = 0; e < N; ++e) {
      Vec<T> sum = load(c[e] + i);
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) sum += h[e][r] * row[r];
      store(c[e] + i, sum);
    }
  }
}
template <class T, int N>
inline void add_pending(Pending<T, N>& p, Index cols, View<T> c) {
  if (p.count == p.most) {
    add_rows<T, Pending<T, N>::most>(p, 0, cols, c);
  } else {
    for (int r = 0; r < p.count; ++r) add_rows<T, 1>(p, r, cols, c);
  }
  p.count = 0;
}

// Takes row k of the matrix unless every h is zero there.
template <class T, int N>
inline bool take(Pending<T, N>& p, View<const T> h, Index k, const T* row) {
  bool any = false;
  for (int e = 0; e < N; ++e) {
    const T value = h[e][k];
    p.h[e][p.count] = value;
    any |= value != 0;
  }
  p.row[p.count] = row;
  p.count += any;
  return any;
}

// Calls f(first column, columns) for pieces of which the sums of n examples fit into half of a first
// cache.
template <class T, class F>
inline void for_column_blocks(Index n, Index cols, F&& f) {
  const Index block = 16384 / Index{sizeof(T)} / n / panel<T> * panel<T>;
  for (Index c = 0; c < cols; c += block) f(c, min(block, cols - c));
}

// The same as narrow_sum for N rows h and any number of columns: rows of B are read along, four at a
// time, and those that every h is zero for not at all.
template <class T, int N>
inline void wide_sum(const SmallBatch<T>& x, Index k0, Index k1, View<const T> b, Index cols,
                     View<T> c) {
  for (int e = 0; e < N; ++e) {
    for (Index i = 0; i < cols; i += lanes<T>) store(c[e] + i, Vec<T>{});
  }
  Pending<T, N> pending;
  for_columns(x, k0, k1, [&](Index k) {
    take(pending, x.h, k, b[k]);
    if (pending.count == pending.most) add_pending(pending, cols, c);
  });
  add_pending(pending, cols, c);
}

// Are sums over that many columns kept in registers?
template <class T>
constexpr bool narrow(Index cols) {
  return cols <= 4 * lanes<T>;
}

// Chunk `chunk` of h · B (depth × cols) to its rows of `partial`.
template <class T>
inline void row_product(const SmallBatch<T>& x, Index depth, View<const T> b, Index cols, Index chunk,
                        T* partial) {
  const Index chunks = row_chunks(x.n, depth, cols), ldc = padded_cols(cols);
  const Index k0 = chunk_begin(chunk, chunks, depth), k1 = chunk_begin(chunk + 1, chunks, depth);
  T* c = partial + chunk * x.n * ldc;
  if (!narrow<T>(cols)) {
    return for_column_blocks<T>(x.n, cols, [&](Index c0, Index width) {
      with_few(x.n, [&](auto n) {
        wide_sum<T, decltype(n)::value>(x, k0, k1, b.from(0, c0), width, {c + c0, ldc});
      });
    });
  }
  for (Index e = 0; e < x.n; ++e, c += ldc) {
    const T* h = x.h[e];
    switch ((cols + lanes<T> - 1) / lanes<T>) {
      case 1:
        narrow_sum<T, 1>(x, h, k0, k1, b, c);
        break;
      case 2:
        narrow_sum<T, 2>(x, h, k0, k1, b, c);
        break;
      case 3:
        narrow_sum<T, 3>(x, h, k0, k1, b, c);
        break;
      default:
        narrow_sum<T, 4>(x, h, k0, k1, b, c);
    }
  }
}

// c (n, cols) = the sum of all chunks' rows.
template <class T>
inline void add_chunks(const T* partial, Index n, Index depth, Index cols, View<T> c) {
  const Index chunks = row_chunks(n, depth, cols), ld = padded_cols(cols);
  for (Index e = 0; e < n; ++e) {
    for (Index i = 0; i < cols; i += lanes<T>) {
      Vec<T> sum = load(partial + e * ld + i);
      for (Index p = 1; p < chunks; ++p) sum += load(partial + (p * n + e) * ld + i);
      store(c[e] + i, sum);
    }
  }
}

}  // namespace
}  // namespace fastfa

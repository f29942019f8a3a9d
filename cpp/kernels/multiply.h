// The one product behind forward, feedback and update:
//
//   C[m, :] (+)= Σ_k A(m, k) · B[k, :]          A(m, k) = a[m·a_row + k·a_col]
//
// B and C have contiguous columns. A tile of rows × vectors is kept in registers while k runs; A is
// broadcast one scalar at a time, so it may be walked in either direction:
//   forward   C = activations (N × n_out), A = h,  B = W          k over inputs
//   feedback  C = δ_l (N × n_l),           A = δ_source, B = Bᵀ   k over source units
//   update    C = W (n_in × n_out),        A = hᵀ, B = δ          k over examples
// Sums run over k in order, whatever the tile, so results don't depend on how work is cut.
#pragma once

#include "kernels/simd.h"

namespace fastfa {
namespace {

#if FASTFA_VECTOR_BYTES == 64
constexpr int tile_rows = 12;  // 24 of 32 registers hold C
#elif defined(__aarch64__)
constexpr int tile_rows = 8;  // 16 of 32; of 20, GCC 12 keeps some in memory where weights learn
#else
constexpr int tile_rows = 6;  // 12 of 16
#endif
constexpr int tile_vecs = 2;
template <class T>
constexpr Index panel = tile_vecs * lanes<T>;  // columns of a tile

template <class T>
struct Operand {
  const T* a;
  Index a_row, a_col;
  View<const T> b;
};

// Asks for a panel of a row that the work after this one will read: rows lie too far apart for the
// processor to expect them.
template <class T>
inline void fetch(const T* row) {
  constexpr Index line = 64 / Index{sizeof(T)};
  for (Index i = 0; i < panel<T>; i += line) __builtin_prefetch(row + i, 0, 2);
}

// sums[m][v] += Σ_{k in [k0, k1)} A(m, k) · B[k, v-th vector]; for each k, row k of `ahead` is asked
// for.
//
// Rows of A are reached by one pointer for every three, at 0, 1 and 2 times the row stride, which the
// processor's addressing can express: with a pointer or an offset for each there are too few registers.
template <class T, int M, int V, bool Fetch = false>
inline void accumulate(Vec<T> (&sums)[M][V], const Operand<T>& x, Index k0, Index k1,
                       View<const T> ahead = {}) {
#if defined(__clang__)  // it would add to the sums in memory: to a copy it does so in registers
  Vec<T> acc[M][V];
  std::memcpy(acc, sums, sizeof acc);
#else
  auto& acc = sums;
#endif
  constexpr int groups = (M + 2) / 3;
  const T* a[groups];
  for (int g = 0; g < groups; ++g) a[g] = x.a + k0 * x.a_col + 3 * g * x.a_row;
  const T* b = x.b[k0];
  const T* next = Fetch ? ahead[k0] : nullptr;
  for (Index k = k0; k < k1; ++k, b += x.b.ld) {
    Vec<T> row[V];
    for (int v = 0; v < V; ++v) row[v] = load(b + v * lanes<T>);
    if constexpr (Fetch) {
      fetch(next);
      next += ahead.ld;
    }
#pragma GCC unroll 16
    for (int m = 0; m < M; ++m) {
      const T scalar = a[m / 3][(m % 3) * x.a_row];
#pragma GCC unroll 16
      for (int v = 0; v < V; ++v) acc[m][v] += scalar * row[v];
    }
#pragma GCC unroll 8
    for (int g = 0; g < groups; ++g) a[g] += x.a_col;
  }
#if defined(__clang__)
  std::memcpy(sums, acc, sizeof acc);
#endif
}

// Calls f(integral constant M) for a run-time row count 1 … tile_rows.
template <int M>
struct Rows {
  static constexpr int value = M;
};
template <class F, int M = tile_rows>
inline void with_rows(int rows, F&& f) {
  if constexpr (M > 1) {
    if (rows < M) return with_rows<F, M - 1>(rows, static_cast<F&&>(f));
  }
  f(Rows<M>{});
}

// Calls f(first, Rows<count>) for parts of nearly equal size, at most Most (100 rows: 12 + 8 × 11, not 8
// × 12 + 4).
template <int Most, class F>
inline void for_even_parts(Index count, F&& f) {
  const Index parts = (count + Most - 1) / Most;
  for (Index i = 0; i < parts; ++i) {
    const Index begin = i * count / parts, end = (i + 1) * count / parts;
    const auto call = [&](auto size) { f(begin, size); };
    with_rows<decltype(call)&, Most>(static_cast<int>(end - begin), call);
  }
}

// The same for the tiles of so many rows.
template <class F>
inline void for_row_tiles(Index rows, F&& f) {
  for_even_parts<tile_rows>(rows, f);
}

// C (M × V vectors at c) = or += the product over ranges r0 … r1.
template <class T, int M, int V>
inline void multiply_tile(const Operand<T>& x, Ranges ranges, Index r0, Index r1, Index k_shift,
                          View<T> c, bool add, View<const T> ahead) {
  Vec<T> acc[M][V];
  for (int m = 0; m < M; ++m) {
    for (int v = 0; v < V; ++v) acc[m][v] = add ? load(c[m] + v * lanes<T>) : Vec<T>{};
  }
  for (Index r = r0; r < r1; ++r) {
    const Index k0 = ranges[r].begin - k_shift, k1 = ranges[r].end - k_shift;
    if (ahead) {
      accumulate<T, M, V, true>(acc, x, k0, k1, ahead);
    } else {
      accumulate<T, M, V>(acc, x, k0, k1);
    }
  }
  for (int m = 0; m < M; ++m) {
    for (int v = 0; v < V; ++v) store(c[m] + v * lanes<T>, acc[m][v]);
  }
}

// In-register transpose of a square block of lanes × lanes: log2(lanes) rounds of interleaving.
template <class T>
inline void transpose_block(Vec<T> (&x)[lanes<T>]) {
  constexpr int n = lanes<T>;
  const auto low = lanes_from<T>([](int i) { return i / 2 + i % 2 * n; });
  const auto high = lanes_from<T>([](int i) { return n / 2 + i / 2 + i % 2 * n; });
#pragma GCC unroll 8
  for (int round = 1; round < n; round *= 2) {
    Vec<T> y[n];
#pragma GCC unroll 16
    for (int i = 0; i < n / 2; ++i) {
      y[2 * i] = shuffle<T>(x[i], x[i + n / 2], low);
      y[2 * i + 1] = shuffle<T>(x[i], x[i + n / 2], high);
    }
#pragma GCC unroll 16
    for (int i = 0; i < n; ++i) x[i] = y[i];
  }
}

// Packs B[k0…k1) × V vectors of columns into `packed` (panel columns wide).
template <class T, int V>
inline void pack_rows(View<const T> b, Index k0, Index k1, T* packed) {
  for (Index k = k0; k < k1; ++k, packed += panel<T>) {
    for (int v = 0; v < V; ++v) store(packed + v * lanes<T>, load(b[k] + v * lanes<T>));
  }
}

// The same from a transposed source: row j of it is column j of the panel (there are `rows`; beyond them
// the panel is zero). read(j, k) gives the vector at column k of row j; rows are padded to whole
// vectors.
template <class T, int V, class Read>
inline void pack_transposed(Index rows, Index k0, Index k1, T* packed, Read&& read) {
  constexpr int n = lanes<T>;
  for (Index k = k0; k < k1; k += n) {
    for (int v = 0; v < V; ++v) {
      Vec<T> block[n];
      for (int j = 0; j < n; ++j) block[j] = v * n + j < rows ? read(v * n + j, k) : Vec<T>{};
      transpose_block<T>(block);
      for (int i = 0; i < n; ++i) {
        if (k + i < k1) store(packed + (k + i - k0) * panel<T> + v * n, block[i]);
      }
    }
  }
}

}  // namespace
}  // namespace fastfa

// Products of a few rows with a wide matrix, cut into column panels: the frame that forward and feedback
// share. An epilogue finishes each panel (bias and activation, or ∘σ′) while it is in cache.
#pragma once

#include "kernels/multiply.h"

namespace fastfa {
namespace {

#if FASTFA_VECTOR_BYTES == 64
constexpr int wide_vecs = 16;  // of the one-row product, in registers
#else
constexpr int wide_vecs = 8;
#endif
template <class T>
constexpr Index wide_panel = wide_vecs * lanes<T>;

// Tiles of C (rows × cols): column panels, and row chunks where there are few panels.
struct Grid {
  Index row_chunks, col_chunks, cols;  // cols: columns of a panel
  int tiles() const { return static_cast<int>(row_chunks * col_chunks); }
};

// depth: length of the sums. rows == 1 has wider panels.
template <class T>
inline Grid grid(Index rows, Index cols, Index depth) {
  const Index width = rows == 1 ? wide_panel<T> : panel<T>;
  const Index col_chunks = (cols + width - 1) / width;
  Index row_chunks = 1;
  if (col_chunks < 8) {
    row_chunks = min((rows + tile_rows - 1) / tile_rows, (8 + col_chunks - 1) / col_chunks);
  }
  if (tiny(rows, cols, rows == 1 ? 4 * depth : depth)) return {1, 1, round_up(cols, width)};
  return {row_chunks, col_chunks, width};
}

struct Block {
  Index r0, r1, c0, c1;
};
inline Block block_of(const Grid& g, int tile, Index rows, Index cols) {
  const Index r = tile / g.col_chunks, c = tile % g.col_chunks;
  return {r * rows / g.row_chunks, (r + 1) * rows / g.row_chunks, c * g.cols,
          min((c + 1) * g.cols, cols)};
}

// c[0 … V vectors) = Σ_k h[k] · B[k, :]; narrow panels keep several partial sums to hide latency.
template <class T, int V>
inline void row_times_matrix(const T* h, const Run* runs, Index n_runs, const T* b, Index ldb, T* c) {
  constexpr int U = V >= 8 ? 1 : 8 / V;
  Vec<T> acc[U][V] = {};
  for (Index r = 0; r < n_runs; ++r) {
    Index k = runs[r].begin;
    for (; k + U <= runs[r].end; k += U) {
      for (int u = 0; u < U; ++u) {
        for (int v = 0; v < V; ++v) acc[u][v] += h[k + u] * load(b + (k + u) * ldb + v * lanes<T>);
      }
    }
    for (; k < runs[r].end; ++k) {
      for (int v = 0; v < V; ++v) acc[0][v] += h[k] * load(b + k * ldb + v * lanes<T>);
    }
  }
  for (int v = 0; v < V; ++v) {
    for (int u = 1; u < U; ++u) acc[0][v] += acc[u][v];
    store(c + v * lanes<T>, acc[0][v]);
  }
}

// One row, any number of columns.
template <class T>
inline void row_product(const T* h, const Run* runs, Index n_runs, const T* b, Index ldb, Index cols,
                        T* c) {
  Index vecs = (cols + lanes<T> - 1) / lanes<T>;
  const auto take = [&](auto width) {
    constexpr int V = decltype(width)::value;
    for (; vecs >= V; vecs -= V, b += V * lanes<T>, c += V * lanes<T>) {
      row_times_matrix<T, V>(h, runs, n_runs, b, ldb, c);
    }
  };
  take(Rows<wide_vecs>{});
  if constexpr (wide_vecs > 8) take(Rows<8>{});
  take(Rows<4>{});
  take(Rows<2>{});
  take(Rows<1>{});
}

// C (rows × V vectors) = A · B over all runs. pack(k0, k1, to) copies those rows of B to `to`; with
// few rows it isn't worth it, and B is read in place (unless it must be transposed).
template <class T, int V, class Pack>
inline void panel_product(const T* a, Index lda, Index rows, const Run* runs, Index n_runs, const T* b,
                          Index ldb, bool must_pack, Pack&& pack, T* c, Index ldc) {
  alignas(64) T packed[k_block * panel<T>];
  Index r0 = 0;
  do {
    const Index k0 = n_runs == 0 ? 0 : runs[r0].begin / k_block * k_block;
    Index r1 = r0;
    while (r1 < n_runs && runs[r1].begin < k0 + k_block) ++r1;
    const bool packing = must_pack || rows > tile_rows;
    if (packing) {
      for (Index r = r0; r < r1; ++r) {
        pack(runs[r].begin, runs[r].end, packed + (runs[r].begin - k0) * panel<T>);
      }
    }
    for_row_tiles(rows, [&](Index m, auto height) {
      constexpr int M = decltype(height)::value;
      const T* am = a + m * lda + k0;
      const Operand<T> x =
          packing ? Operand<T>{am, lda, 1, packed, panel<T>} : Operand<T>{am, lda, 1, b + k0 * ldb, ldb};
      multiply_tile<T, M, V>(x, runs, r0, r1, k0, c + m * ldc, ldc, r0 > 0);
    });
    r0 = r1;
  } while (r0 < n_runs);
}

// Calls f(first column, columns, Rows<vectors>) for the panels of c0 … c1.
template <class T, class F>
inline void for_panels(Index c0, Index c1, F&& f) {
  for (Index c = c0; c < c1; c += panel<T>) {
    const Index cols = min(panel<T>, c1 - c);
    if (cols > lanes<T>) {
      f(c, cols, Rows<2>{});
    } else {
      f(c, cols, Rows<1>{});
    }
  }
}

}  // namespace
}  // namespace fastfa

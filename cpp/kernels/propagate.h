// δ_l = (B δ_source) ∘ σ′(h_l): source (n, n_src) · Bᵀ → delta (n, n_l), overwritten.
#pragma once

#include "kernels/math.h"
#include "kernels/one_row.h"
#include "kernels/panels.h"

namespace fastfa {
namespace {

template <class T>
Grid propagate_grid(const Propagate<T>& p) {
  return grid<T>(p.n, p.n_l, p.n_src);
}
template <class T>
int propagate_tiles(const Propagate<T>& p) {
  if (p.n == 1 && !p.transposed) return static_cast<int>(row_chunks(p.n_src, p.n_l));
  return propagate_grid(p).tiles();
}

template <class T>
inline void finish_propagate(const Propagate<T>& p, Index r0, Index r1, Index c, Index cols) {
  const Index width = round_up(cols, lanes<T>);
  bool ok = true;
  for (Index r = r0; r < r1; ++r) {
    T* delta = p.delta + r * p.ldd + c;
    times_derivative(delta, p.h + r * p.ldh + c, width, static_cast<Activation>(p.activation));
    ok &= row_within_limit(delta, width);
  }
  if (!ok) report(p.bad);
}

// One example through B (n_l, n_src): dot products of its rows with δ, a vector of rows at a time.
template <class T>
inline void matrix_times_row(const Propagate<T>& p, Index c0, Index c1) {
  constexpr int n = lanes<T>;
  for (Index c = c0; c < c1; c += n) {
    Vec<T> sums[n] = {};
    const Index rows = min(n, p.n_l - c);
    for (Index j = 0; j < rows; ++j) {
      const T* b = p.b + (c + j) * p.ldb;
      for (Index k = 0; k < p.n_src; k += n) sums[j] += load(b + k) * load(p.source + k);
    }
    transpose_block<T>(sums);
    for (int i = 1; i < n; ++i) sums[0] += sums[i];
    store(p.delta + c, sums[0]);
  }
}

template <class T>
void propagate_run(const Propagate<T>& p, int tile, int tile_end) {
  const Grid g = propagate_grid(p);
  for (; tile < tile_end; ++tile) {
    if (p.n == 1 && !p.transposed) {
      row_product(p.source, p.runs, p.n_runs, p.n_src, p.b, p.ldb, p.n_l, tile, p.partial);
      continue;
    }
    const Block t = block_of(g, tile, p.n, p.n_l);
    if (p.n == 1) {
      matrix_times_row(p, t.c0, t.c1);
      finish_propagate(p, 0, 1, t.c0, t.c1 - t.c0);
      continue;
    }
    for_panels<T>(t.c0, t.c1, [&](Index c, Index cols, auto vecs) {
      constexpr int V = decltype(vecs)::value;
      const T* b = p.transposed ? p.b + c * p.ldb : p.b + c;
      const auto pack = [&](Index k0, Index k1, T* to) {
        if (p.transposed) {
          pack_transposed<T, V>(b, p.ldb, cols, k0, k1, to);
        } else {
          pack_rows<T, V>(b, p.ldb, k0, k1, to);
        }
      };
      panel_product<T, V>(p.source + t.r0 * p.lds, p.lds, t.r1 - t.r0, p.runs, p.n_runs, b, p.ldb,
                          p.transposed != 0, pack, p.delta + t.r0 * p.ldd + c, p.ldd);
      finish_propagate(p, t.r0, t.r1, c, cols);
    });
  }
}

template <class T>
void propagate_done(const Propagate<T>& p) {
  if (p.n != 1 || p.transposed) return;
  add_chunks(p.partial, p.n_src, p.n_l, p.delta);
  finish_propagate(p, 0, 1, 0, p.n_l);
}

}  // namespace
}  // namespace fastfa

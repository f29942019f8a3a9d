// Feedback without memory: B is drawn from Philox where it is used, one byte for each element. The lanes
// of a Philox block are columns of Bᵀ; its 16 bytes are 16 rows.
#pragma once

#include "kernels/feedback_product.h"
#include "kernels/philox_lanes.h"

namespace fastfa {
namespace {

// Calls use(row, vector of columns, s · byte_unit) for rows k … k + 16, V vectors of columns from c on.
template <class T, int V, class Use>
inline void sixteen_rows(const PropagateProcedural<T>& p, Index c, Index k, Use&& use) {
  Mask<T> words[V][4];
  philox_lanes<T, V>({p.seed, p.purpose, p.layer}, static_cast<std::uint32_t>(c),
                     static_cast<std::uint32_t>(k / 16), words);
#pragma GCC unroll 16
  for (int i = 0; i < 16; ++i) {
    for (int v = 0; v < V; ++v) use(i, v, signed_byte<T>(words[v][i / 4], i % 4));
  }
}

// Rows k0 … k1 of Bᵀ, k0 a multiple of 16; there is room for whole sixteens. B = (2s + 1) · scale / 256,
// in an order of operations that rounds once, with or without fused multiplication: the same B on every
// machine.
template <class T, int V>
inline void draw_panel(const PropagateProcedural<T>& p, Index c, Index k0, Index k1, T* to) {
  const T step = p.scale / T(256);
  for (Index k = k0; k < k1; k += 16, to += 16 * panel<T>) {
    sixteen_rows<T, V>(p, c, k, [&](int i, int v, Vec<T> s) {
      store(to + i * panel<T> + v * lanes<T>, (s * (T(2) / byte_unit<T>)+T(1)) * step);
    });
  }
}

// One example: Σ (2s + 1) δ · scale / 256, as it is drawn. Padding columns of the source are zero, so
// whole sixteens do.
template <class T, int V>
inline void procedural_row(const PropagateProcedural<T>& p, Index c, Index cols) {
  Vec<T> sum[V] = {};
  T total = 0;
  for (Index k = 0; k < p.n_src; k += 16) {
    sixteen_rows<T, V>(p, c, k, [&](int i, int v, Vec<T> s) { sum[v] += s * p.source.data[k + i]; });
    for (int i = 0; i < 16; ++i) total += p.source.data[k + i];
  }
  for (int v = 0; v < V; ++v) {
    store(p.delta.data + c + v * lanes<T>, (sum[v] * (T(2) / byte_unit<T>)+total) * (p.scale / T(256)));
  }
  finish_product(p, 0, 1, c, cols);
}

template <class T>
void propagate_procedural_run(const PropagateProcedural<T>& p, int tile, int tile_end) {
  for (; tile < tile_end; ++tile) {
    product_tile_made(
        p, tile,
        [&](Index c, Index cols, auto vecs) { procedural_row<T, decltype(vecs)::value>(p, c, cols); },
        [&](Index c, Index, Index k0, Index k1, T* to, auto vecs) {
          draw_panel<T, decltype(vecs)::value>(p, c, k0, k1, to);
        });
  }
}

}  // namespace
}  // namespace fastfa

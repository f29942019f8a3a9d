// δ_l = (B δ_source) ∘ σ′(h_l), B dense: source (n, n_src) · Bᵀ → delta (n, n_l), overwritten.
#pragma once

#include "kernels/feedback_product.h"
#include "kernels/small_batch.h"

namespace fastfa {
namespace {

template <class T>
int propagate_tiles(const Propagate<T>& p) {
  if (p.n == 1 && !p.transposed) return static_cast<int>(row_chunks(1, p.n_src, p.n_l));
  return product_tiles(p);
}

template <class T>
void propagate_run(const Propagate<T>& p, int tile, int tile_end) {
  for (; tile < tile_end; ++tile) {
    if (p.n == 1 && !p.transposed) {
      const SmallBatch<T> source{p.source, 1, p.ranges};
      row_product(source, p.n_src, p.b, p.n_l, tile, p.partial);
    } else if (p.transposed) {
      const auto read = [&](Index j, Index k) { return load(p.b[j] + k); };
      product_tile_by_rows(p, tile, read);
    } else {
      product_tile(p, tile, p.b, InPlace{});
    }
  }
}

template <class T>
void propagate_done(const Propagate<T>& p) {
  if (p.n != 1 || p.transposed) return;
  add_chunks(p.partial, 1, p.n_src, p.n_l, p.delta);
  finish_product(p, 0, 1, 0, p.n_l);
}

}  // namespace
}  // namespace fastfa

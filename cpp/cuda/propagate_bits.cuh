// δ_l = (B δ_source) ∘ σ′(h_l) with B of ±scale (and 0) spread from bits: 32 units share a word.
#pragma once

#include "cuda/feedback_product.cuh"

namespace fastfa::cuda {

template <class T>
__global__ void __launch_bounds__(SmallTile::threads) propagate_bits(PropagateBits<T> p) {
  product_tile<T, SmallTile, false>(p, [&](Index k, Index j) {
    const Index word = j / 32 * p.n_src + k;
    const int bit = static_cast<int>(j % 32);
    if (p.kept && !(p.kept[word] >> bit & 1)) return T(0);
    return p.positive[word] >> bit & 1 ? p.scale : -p.scale;
  });
}

}  // namespace fastfa::cuda

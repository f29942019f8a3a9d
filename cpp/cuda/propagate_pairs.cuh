// δ_l = (B δ_source) ∘ σ′(h_l) with B in bf16, two elements of a unit in a word.
#pragma once

#include "cuda/feedback_product.cuh"

namespace fastfa::cuda {

template <class T>
__global__ void __launch_bounds__(SmallTile::threads) propagate_pairs(PropagatePairs<T> p) {
  product_tile<T, SmallTile, false>(p, [&](Index k, Index j) {
    const std::uint32_t word = p.b[k / 2][j];
    return static_cast<T>(__uint_as_float(k % 2 ? word & 0xffff0000u : word << 16));
  });
}

}  // namespace fastfa::cuda

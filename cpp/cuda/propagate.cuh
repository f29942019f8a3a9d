// δ_l = (B δ_source) ∘ σ′(h_l) with B in memory: as Bᵀ (n_src, n_l), or, transposed, as the weights
// above.
#pragma once

#include "cuda/feedback_product.cuh"

namespace fastfa::cuda {

template <class T, class Size>
__global__ void __launch_bounds__(Size::threads) propagate(Propagate<T> p) {
  product_tile<T, Size, false>(p, [&](Index k, Index j) { return p.b[k][j]; });
}

template <class T, class Size>
__global__ void __launch_bounds__(Size::threads) propagate_transposed(Propagate<T> p) {
  product_tile<T, Size, true>(p, [&](Index k, Index j) { return p.b[j][k]; });
}

}  // namespace fastfa::cuda

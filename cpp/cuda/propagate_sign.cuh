// δ_l = (B δ_source) ∘ σ′(h_l) with B = scale · sign(Wᵀ) or |B| ∘ sign(Wᵀ). sign(0) = 0.
#pragma once

#include "cuda/feedback_product.cuh"

namespace fastfa::cuda {

template <class T>
__global__ void __launch_bounds__(SmallTile::threads) propagate_sign(PropagateSign<T> p) {
  product_tile<T, SmallTile, true>(p, [&](Index k, Index j) {
    const T w = p.w[j][k];
    const T size = p.magnitude ? p.magnitude[j][k] : p.scale;
    return w > 0 ? size : w < 0 ? -size : T(0);
  });
}

}  // namespace fastfa::cuda

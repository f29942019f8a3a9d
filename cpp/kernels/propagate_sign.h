// Sign-symmetric feedback: δ_l = (B δ_source) ∘ σ′(h_l) with B = scale · sign(Wᵀ) or |B| ∘ sign(Wᵀ),
// read off the weights on the way. sign(0) = 0.
#pragma once

#include "kernels/feedback_product.h"

namespace fastfa {
namespace {

template <class T>
void propagate_sign_run(const PropagateSign<T>& p, int tile, int tile_end) {
  const auto signed_by = [](Vec<T> w, Vec<T> size) { return w > 0 ? size : w < 0 ? -size : Vec<T>{}; };
  for (; tile < tile_end; ++tile) {
    if (p.magnitude) {
      product_tile_by_rows(p, tile, [&](Index j, Index k) {
        return signed_by(load(p.w[j] + k), load(p.magnitude[j] + k));
      });
    } else {
      product_tile_by_rows(
          p, tile, [&](Index j, Index k) { return signed_by(load(p.w[j] + k), Vec<T>{} + p.scale); });
    }
  }
}

}  // namespace
}  // namespace fastfa

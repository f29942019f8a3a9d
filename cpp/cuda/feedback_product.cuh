// What all feedback products share: A is the source's delta, and B's product ends with ∘ σ′.
#pragma once

#include "cuda/math.cuh"
#include "cuda/multiply.cuh"

namespace fastfa::cuda {

template <class T>
__device__ inline void finish_product(const FeedbackProduct<T>& p, Index n, Index j, T sum) {
  const T h = p.activation.kind == Activation::linear ? T(0) : p.h[n][j];
  const T delta = sum * slope(h, p.activation);
  report_beyond(delta, p.bad);
  p.delta[n][j] = delta;
}

// δ (n, n_l) = source (n, n_src) · Bᵀ (n_src, n_l) ∘ σ′; b(k, j) is element (j, k) of B.
template <class T, class Size, bool b_along, class B>
__device__ inline void product_tile(const FeedbackProduct<T>& p, B&& b) {
  multiply<T, Size, true, b_along>(
      p.n, p.n_l, p.n_src, [&](Index n, Index k) { return p.source[n][k]; }, b,
      [&](Index n, Index j, T sum) { finish_product(p, n, j, sum); });
}

}  // namespace fastfa::cuda

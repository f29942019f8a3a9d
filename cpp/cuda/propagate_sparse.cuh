// δ_l = (B δ_source) ∘ σ′(h_l) with B by rows: a warp for each unit. In a batch its lanes are examples,
// to which `across` gives the source side by side; with one example they share out the row.
#pragma once

#include "cuda/feedback_product.cuh"

namespace fastfa::cuda {

template <class T>
__global__ void propagate_sparse(PropagateSparse<T> p) {
  const Index j = Index{blockIdx.x} * blockDim.y + threadIdx.y;
  const int lane = static_cast<int>(threadIdx.x);
  const Index begin = j < p.n_l ? p.start[j] : 0, end = j < p.n_l ? p.start[j + 1] : 0;
  if (p.n == 1) {
    T sum = T(0);
    for (Index i = begin + lane; i < end; i += warp) sum += p.value[i] * p.source.data[p.column[i]];
    sum = warp_sum(sum);
    if (lane == 0 && j < p.n_l) finish_product(p, 0, j, sum);
    return;
  }
  for (Index n = Index{blockIdx.y} * warp + lane; n < p.n && j < p.n_l; n += Index{gridDim.y} * warp) {
    T sum = T(0);
    for (Index i = begin; i < end; ++i) sum += p.value[i] * p.across[p.column[i]][n];
    finish_product(p, n, j, sum);
  }
}

}  // namespace fastfa::cuda

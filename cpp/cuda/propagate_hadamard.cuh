// δ_l = (B δ_source) ∘ σ′(h_l) through a fast Walsh–Hadamard transform, an example for each block of
// threads, in shared memory where it fits.
#pragma once

#include "cuda/feedback_product.cuh"

namespace fastfa::cuda {

constexpr Index hadamard_shared = 2048;  // places in shared memory

template <class T>
__global__ void propagate_hadamard(PropagateHadamard<T> p) {
  FASTFA_SHARED(T, own, hadamard_shared);
  T* x = p.order <= hadamard_shared ? own : p.work + blockIdx.x * padded_cols(p.order);
  for (Index n = blockIdx.x; n < p.n; n += gridDim.x) {
    for (Index i = threadIdx.x; i < p.order; i += blockDim.x) x[i] = T(0);
    __syncthreads();
    for (Index k = threadIdx.x; k < p.n_src; k += blockDim.x) {
      x[p.column[k]] = p.sign[k] * p.source[n][k];
    }
    __syncthreads();
    for (Index h = 1; h < p.order; h *= 2) {
      for (Index i = threadIdx.x; i < p.order / 2; i += blockDim.x) {
        const Index at = i / h * 2 * h + i % h;
        const T a = x[at], b = x[at + h];
        x[at] = a + b;
        x[at + h] = a - b;
      }
      __syncthreads();
    }
    for (Index j = threadIdx.x; j < p.n_l; j += blockDim.x) finish_product(p, n, j, x[p.row[j]]);
    __syncthreads();
  }
}

}  // namespace fastfa::cuda

// δ_l = (B δ_source) ∘ σ′(h_l) with B drawn from Philox where it is used: no memory, no traffic. A
// thread draws the 16 rows of Bᵀ that share a block of random bytes, and keeps them in registers for all
// the examples of its tile.
#pragma once

#include "cuda/feedback_product.cuh"
#include "fastfa/philox.h"

namespace fastfa::cuda {

constexpr int procedural_units = 64;     // of a block of threads, a thread each …
constexpr int procedural_examples = 16;  // … for so many examples

// Element (j, 16 · block + i) of B. One rounding, with or without fused multiplication: the same B
// everywhere.
template <class T>
__device__ inline T drawn(const Philox4x32& words, int i, T step) {
  const auto byte = static_cast<std::int8_t>(words.word[i / 4] >> 8 * (i % 4) & 0xff);
  return (T(2) * static_cast<T>(byte) + T(1)) * step;
}

template <class T>
__global__ void __launch_bounds__(procedural_units) propagate_procedural(PropagateProcedural<T> p) {
  FASTFA_SHARED(T, source, procedural_examples * 16);
  const Index j = Index{blockIdx.x} * procedural_units + threadIdx.x;
  const Index first = Index{blockIdx.y} * procedural_examples;
  const int examples = static_cast<int>(least(Index{procedural_examples}, p.n - first));
  const T step = p.scale / T(256);
  T sum[procedural_examples];
  for (int n = 0; n < procedural_examples; ++n) sum[n] = T(0);
  for (Index k0 = 0; k0 < p.n_src; k0 += 16) {
    __syncthreads();
    for (int e = static_cast<int>(threadIdx.x); e < procedural_examples * 16; e += procedural_units) {
      const int n = e / 16, k = e % 16;
      const bool there = n < examples && k0 + k < p.n_src;
      source[e] = there ? p.source[first + n][k0 + k] : T(0);
    }
    __syncthreads();
    const Philox4x32 words = philox4x32(
        {{static_cast<std::uint32_t>(j), static_cast<std::uint32_t>(k0 / 16), p.purpose, p.layer}},
        static_cast<std::uint32_t>(p.seed), static_cast<std::uint32_t>(p.seed >> 32));
#pragma unroll
    for (int i = 0; i < 16; ++i) {
      const T b = drawn(words, i, step);
#pragma unroll
      for (int n = 0; n < procedural_examples; ++n) sum[n] += b * source[n * 16 + i];
    }
  }
#pragma unroll
  for (int n = 0; n < procedural_examples; ++n) {
    if (j < p.n_l && n < examples) finish_product(p, first + n, j, sum[n]);
  }
}

}  // namespace fastfa::cuda

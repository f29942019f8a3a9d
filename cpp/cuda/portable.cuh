// What kernels are written in: CUDA C++ for nvcc, or for g++ the same words, emulated.
#pragma once

#include "fastfa/types.h"
#include "kernels/ops.h"

#if defined(__CUDACC__)
#define FASTFA_SHARED(type, name, count) __shared__ __align__(16) type name[count]
#else
#include "cuda/emulate/kernel.h"
#endif

namespace fastfa::cuda {

#if !defined(__CUDACC__)
using std::cos, std::exp, std::log, std::log1p, std::sin, std::sqrt, std::tanh;
#endif

constexpr int warp = 32;

template <class N>
__device__ constexpr N least(N a, N b) {
  return a < b ? a : b;
}
__device__ constexpr Index ceil_div(Index a, Index b) { return (a + b - 1) / b; }

// This thread among all of the grid's, and how many there are: for loops over elements.
__device__ inline Index thread_of_grid() { return Index{blockIdx.x} * blockDim.x + threadIdx.x; }
__device__ inline Index threads_of_grid() { return Index{gridDim.x} * blockDim.x; }

// Σ over the lanes of a warp, in an order of its own; every lane has it.
template <class N>
__device__ inline N warp_sum(N x) {
  for (int flip = warp / 2; flip > 0; flip /= 2) x += __shfl_xor_sync(0xffffffffu, x, flip);
  return x;
}
template <class N>
__device__ inline N warp_max(N x) {
  for (int flip = warp / 2; flip > 0; flip /= 2) {
    const N other = __shfl_xor_sync(0xffffffffu, x, flip);
    x = other > x ? other : x;
  }
  return x;
}

}  // namespace fastfa::cuda

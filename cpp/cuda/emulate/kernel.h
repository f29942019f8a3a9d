// The words of CUDA C++ that the kernels use, for g++.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#include "cuda/emulate/block.h"

#define __global__
#define __device__
#define __forceinline__ inline
#define __restrict__
#define __launch_bounds__(...)

#define FASTFA_WORD2(x) #x
#define FASTFA_WORD(x) FASTFA_WORD2(x)
#define FASTFA_HERE __FILE__ ":" FASTFA_WORD(__LINE__)

#define threadIdx (::fastfa::emulate::block().self().index)
#define blockIdx (::fastfa::emulate::block().index)
#define blockDim (::fastfa::emulate::block().size)
#define gridDim (::fastfa::emulate::block().grid)
#define __syncthreads() ::fastfa::emulate::block().sync(FASTFA_HERE)

// V of the lane whose number differs from one's own in the bits of `flip`, of those `down` further on.
#define __shfl_xor_sync(mask, value, flip) \
  ::fastfa::emulate::block().exchange(FASTFA_HERE, mask, value, (threadIdx.x % 32) ^ (flip))
#define __shfl_sync(mask, value, lane) \
  ::fastfa::emulate::block().exchange(FASTFA_HERE, mask, value, lane)

// An array that the threads of a block share; its values are undefined at first.
#define FASTFA_SHARED(type, name, count) \
  type* const name = static_cast<type*>(::fastfa::emulate::block().shared(sizeof(type) * (count)))

using dim3 = ::fastfa::emulate::Dim3;

inline int atomicOr(int* at, int bits) {
  const int before = *at;
  *at |= bits;
  return before;
}

inline float __uint_as_float(std::uint32_t bits) {
  float x;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}

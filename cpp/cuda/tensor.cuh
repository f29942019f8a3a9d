// What a tensor core does: D (16, 8) += A (16, 8) · B (8, 8) by a warp, A and B in TF32 (a float with
// ten bits of mantissa), D in float32. Each lane has a part of each matrix; with g = lane / 4 and t =
// lane % 4:
//
//   a: (g, t) (g + 8, t) (g, t + 4) (g + 8, t + 4)     b: (t, g) (t + 4, g)
//   d: (g, 2t) (g, 2t + 1) (g + 8, 2t) (g + 8, 2t + 1)
#pragma once

#include <cstring>

#include "cuda/portable.cuh"

namespace fastfa::cuda {

#if defined(__CUDACC__)

// To the nearest, ties away from zero.
__device__ inline float as_tf32(float x) {
  std::uint32_t bits;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(x));
  return __uint_as_float(bits);
}

__device__ inline void tensor_product(float (&d)[4], const float (&a)[4], const float (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(__float_as_uint(a[0])), "r"(__float_as_uint(a[1])), "r"(__float_as_uint(a[2])),
        "r"(__float_as_uint(a[3])), "r"(__float_as_uint(b[0])), "r"(__float_as_uint(b[1])));
}

#else

inline float as_tf32(float x) {
  std::uint32_t bits;
  std::memcpy(&bits, &x, sizeof(bits));
  if ((bits >> 23 & 0xff) != 0xff) bits = (bits + 0x1000u) & ~0x1fffu;
  std::memcpy(&x, &bits, sizeof(bits));
  return x;
}

inline void tensor_product(float (&d)[4], const float (&a)[4], const float (&b)[2]) {
  const int lane = static_cast<int>(threadIdx.x) % warp, g = lane / 4, t = lane % 4;
  for (int k = 0; k < 8; ++k) {
    const int of_a = g * 4 + k % 4, of_b = 2 * t * 4 + k % 4;
    const float upper = __shfl_sync(0xffffffffu, k < 4 ? a[0] : a[2], of_a);
    const float lower = __shfl_sync(0xffffffffu, k < 4 ? a[1] : a[3], of_a);
    const float left = __shfl_sync(0xffffffffu, k < 4 ? b[0] : b[1], of_b);
    const float right = __shfl_sync(0xffffffffu, k < 4 ? b[0] : b[1], of_b + 4);
    d[0] += upper * left;
    d[1] += upper * right;
    d[2] += lower * left;
    d[3] += lower * right;
  }
}

#endif

}  // namespace fastfa::cuda

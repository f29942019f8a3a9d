// The same product on tensor cores, in TF32: each warp has a part of the tile, 32 × 32, in pieces of 16
// ×
// 8. Reads and finishes as multiply.cuh does.
#pragma once

#include "cuda/tensor.cuh"

namespace fastfa::cuda {

// 2 × 2 warps. Rows of shared memory are 8 banks apart, so that fragments are read without conflicts.
struct TensorTile {
  static constexpr bool tensor = true;
  static constexpr int rows = 64, cols = 64, depth = 16, threads = 128;
  static constexpr int lda = rows + 8, ldb = cols + 8;
  static constexpr int pieces_down = 2, pieces_across = 4;  // of a warp
};

// What is kept in shared memory: rounded once, where it arrives.
template <bool tensor, class T>
__device__ inline T as_kept(T x) {
  if constexpr (tensor) {
    return as_tf32(x);
  } else {
    return x;
  }
}

// Where this warp's part of the tile begins.
template <class Size>
__device__ inline int piece_row() {
  return static_cast<int>(threadIdx.x) / warp % 2 * (16 * Size::pieces_down);
}
template <class Size>
__device__ inline int piece_col() {
  return static_cast<int>(threadIdx.x) / warp / 2 * (8 * Size::pieces_across);
}

// What a warp has made of the shared tiles: sum += its rows of A · its columns of B.
template <class Size>
__device__ inline void multiply_pieces(const float* shared_a, const float* shared_b, int row, int col,
                                       float (&sum)[Size::pieces_down][Size::pieces_across][4]) {
  const int lane = static_cast<int>(threadIdx.x) % warp, g = lane / 4, t = lane % 4;
#pragma unroll
  for (int k = 0; k < Size::depth; k += 8) {
    const float *near_a = shared_a + (k + t) * Size::lda + row + g, *far_a = near_a + 4 * Size::lda;
    const float *near_b = shared_b + (k + t) * Size::ldb + col + g, *far_b = near_b + 4 * Size::ldb;
    float b[Size::pieces_across][2];
#pragma unroll
    for (int j = 0; j < Size::pieces_across; ++j) {
      b[j][0] = near_b[8 * j];
      b[j][1] = far_b[8 * j];
    }
#pragma unroll
    for (int i = 0; i < Size::pieces_down; ++i) {
      const float a[4] = {near_a[16 * i], near_a[16 * i + 8], far_a[16 * i], far_a[16 * i + 8]};
#pragma unroll
      for (int j = 0; j < Size::pieces_across; ++j) tensor_product(sum[i][j], a, b[j]);
    }
  }
}

// Calls finish(row, column, sum) for all that this lane has within C.
template <class Size, class Finish>
__device__ inline void finish_pieces(Index rows, Index cols, Index row, Index col,
                                     const float (&sum)[Size::pieces_down][Size::pieces_across][4],
                                     Finish&& finish) {
  const int lane = static_cast<int>(threadIdx.x) % warp, g = lane / 4, t = lane % 4;
#pragma unroll
  for (int i = 0; i < Size::pieces_down; ++i) {
#pragma unroll
    for (int j = 0; j < Size::pieces_across; ++j) {
#pragma unroll
      for (int e = 0; e < 4; ++e) {
        const Index r = row + 16 * i + g + e / 2 * 8, c = col + 8 * j + 2 * t + e % 2;
        if (r < rows && c < cols) finish(r, c, sum[i][j][e]);
      }
    }
  }
}

}  // namespace fastfa::cuda

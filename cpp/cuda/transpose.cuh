// to (cols, n) ← x (n, cols) transposed, through shared memory so that both sides are read and written
// along rows.
#pragma once

#include "cuda/portable.cuh"

namespace fastfa::cuda {

constexpr int transpose_rows = 8;  // of threads

template <class T>
__global__ void transpose(Transpose<T> t) {
  FASTFA_SHARED(T, tile, warp * (warp + 1));
  const Index r0 = Index{blockIdx.x} * warp, c0 = Index{blockIdx.y} * warp;
  const int x = static_cast<int>(threadIdx.x);
  for (int i = static_cast<int>(threadIdx.y); i < warp; i += transpose_rows) {
    if (r0 + i < t.n && c0 + x < t.cols) tile[i * (warp + 1) + x] = t.x[r0 + i][c0 + x];
  }
  __syncthreads();
  for (int i = static_cast<int>(threadIdx.y); i < warp; i += transpose_rows) {
    if (c0 + i < t.cols && r0 + x < t.n) t.to[c0 + i][r0 + x] = tile[x * (warp + 1) + i];
  }
}

}  // namespace fastfa::cuda

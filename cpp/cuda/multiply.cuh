// The product of two matrices, one tile for each block: C (rows, cols) = A (rows, depth) · B (depth,
// cols).
//
// A and B are given by functions of row and column, so that they may lie in memory either way round, be
// spread from bits, or be drawn on the spot; what becomes of an element of C is a function too, which
// spares a pass over memory. Two tiles of A and B at a time are in shared memory: one being multiplied,
// one arriving. Sums run over the depth in order, so results don't depend on the device.
#pragma once

#include "cuda/multiply_tensor.cuh"
#include "cuda/sums.cuh"

namespace fastfa::cuda {

// Tiles of `rows` × `cols` of C, `depth` deep; each thread has tr × tc elements.
template <int rows_, int cols_, int depth_, int tr_, int tc_>
struct Tile {
  static constexpr bool tensor = false;
  static constexpr int rows = rows_, cols = cols_, depth = depth_, tr = tr_, tc = tc_;
  static constexpr int across = cols / tc, down = rows / tr, threads = across * down;
  static constexpr int lda = rows + 4, ldb = cols + 4;  // of shared memory, against bank conflicts
  static_assert(rows * depth % threads == 0 && cols * depth % threads == 0);
};
using SmallTile = Tile<32, 32, 32, 2, 2>;
template <class T>
struct LargeTileOf {
  using type = Tile<128, 128, 8, 8, 8>;
};
template <>
struct LargeTileOf<double> {
  using type = Tile<64, 64, 16, 4, 4>;
};

// Element j of a thread's `n`: in groups of up to four neighbours, so that a warp reads shared memory
// without conflicts.
template <int n, int threads>
__device__ inline int spread(int thread, int j) {
  constexpr int group = n < 4 ? n : 4;
  return j / group * (threads * group) + thread * group + j % group;
}

// Element `i` of this thread's share of a tile of A or B that is `length` long and `depth` deep:
// neighbouring threads take what neighbours in memory.
template <class Size, int length, bool along_depth>
__device__ inline void place_of(int i, int& at, int& k) {
  const int e = static_cast<int>(threadIdx.x) + i * Size::threads;
  at = along_depth ? e / Size::depth : e % length;
  k = along_depth ? e % Size::depth : e / length;
}

// Walks along the depth: calls work(A, B) with each pair of tiles in shared memory. a_along, b_along: do
// neighbours along the depth lie side by side in memory?
template <class T, class Size, bool a_along, bool b_along, class A, class B, class Work>
__device__ inline void walk(Index rows, Index cols, Index depth, A&& a, B&& b, T* shared_a, T* shared_b,
                            Work&& work) {
  constexpr int a_share = Size::rows * Size::depth / Size::threads;
  constexpr int b_share = Size::cols * Size::depth / Size::threads;
  const Index row0 = Index{blockIdx.y} * Size::rows, col0 = Index{blockIdx.x} * Size::cols;

  T next_a[a_share], next_b[b_share];
  const auto fetch = [&](Index k0) {
#pragma unroll
    for (int i = 0; i < a_share; ++i) {
      int r, k;
      place_of<Size, Size::rows, a_along>(i, r, k);
      next_a[i] = row0 + r < rows && k0 + k < depth ? a(row0 + r, k0 + k) : T(0);
    }
#pragma unroll
    for (int i = 0; i < b_share; ++i) {
      int c, k;
      place_of<Size, Size::cols, b_along>(i, c, k);
      next_b[i] = col0 + c < cols && k0 + k < depth ? b(k0 + k, col0 + c) : T(0);
    }
  };
  const auto keep = [&](int half) {
#pragma unroll
    for (int i = 0; i < a_share; ++i) {
      int r, k;
      place_of<Size, Size::rows, a_along>(i, r, k);
      shared_a[(half * Size::depth + k) * Size::lda + r] = as_kept<Size::tensor>(next_a[i]);
    }
#pragma unroll
    for (int i = 0; i < b_share; ++i) {
      int c, k;
      place_of<Size, Size::cols, b_along>(i, c, k);
      shared_b[(half * Size::depth + k) * Size::ldb + c] = as_kept<Size::tensor>(next_b[i]);
    }
  };

  if (depth > 0) {
    fetch(0);
    keep(0);
  }
  __syncthreads();
  int half = 0;
  for (Index k0 = 0; k0 < depth; k0 += Size::depth, half ^= 1) {
    const bool more = k0 + Size::depth < depth;
    if (more) fetch(k0 + Size::depth);
    work(shared_a + half * Size::depth * Size::lda, shared_b + half * Size::depth * Size::ldb);
    if (more) keep(half ^ 1);
    __syncthreads();
  }
}

// Takes the sums of a tile over after each short chain, if they are long.
template <class Size, class T, int n, bool is_long>
struct InParts {
  __device__ explicit InParts(T*) {}
  __device__ void next() {}
  __device__ void finish() {}
};
template <class Size, class T, int n>
struct InParts<Size, T, n, true> {
  static constexpr int tiles = short_chain / Size::depth;  // of a chain
  static_assert(short_chain % Size::depth == 0);
  T* sum;
  LongSums<T, n> sums;
  Index done = 0;

  __device__ explicit InParts(T* of) : sum(of) {}
  __device__ void next() {
    if (++done % tiles == 0) sums.fold(sum, done / tiles - 1);
  }
  __device__ void finish() { sums.finish(sum); }
};

// is_long: the depth is that of a large batch, and sums are formed in parts.
template <class T, class Size, bool a_along, bool b_along, bool is_long = false, class A, class B,
          class Finish>
__device__ inline void multiply(Index rows, Index cols, Index depth, A&& a, B&& b, Finish&& finish) {
  FASTFA_SHARED(T, shared_a, 2 * Size::depth * Size::lda);
  FASTFA_SHARED(T, shared_b, 2 * Size::depth * Size::ldb);
  const Index row0 = Index{blockIdx.y} * Size::rows, col0 = Index{blockIdx.x} * Size::cols;

  if constexpr (Size::tensor) {
    const int row = piece_row<Size>(), col = piece_col<Size>();
    float sum[Size::pieces_down][Size::pieces_across][4] = {};
    InParts<Size, float, Size::pieces_down * Size::pieces_across * 4, is_long> parts(&sum[0][0][0]);
    walk<T, Size, a_along, b_along>(rows, cols, depth, a, b, shared_a, shared_b,
                                    [&](const float* of_a, const float* of_b) {
                                      multiply_pieces<Size>(of_a, of_b, row, col, sum);
                                      parts.next();
                                    });
    parts.finish();
    finish_pieces<Size>(rows, cols, row0 + row, col0 + col, sum, finish);
  } else {
    const int x = static_cast<int>(threadIdx.x) % Size::across;
    const int y = static_cast<int>(threadIdx.x) / Size::across;
    T sum[Size::tr][Size::tc] = {};
    InParts<Size, T, Size::tr * Size::tc, is_long> parts(&sum[0][0]);
    walk<T, Size, a_along, b_along>(
        rows, cols, depth, a, b, shared_a, shared_b, [&](const T* tile_a, const T* tile_b) {
#pragma unroll
          for (int k = 0; k < Size::depth; ++k) {
            T of_a[Size::tr], of_b[Size::tc];
#pragma unroll
            for (int i = 0; i < Size::tr; ++i)
              of_a[i] = tile_a[k * Size::lda + spread<Size::tr, Size::down>(y, i)];
#pragma unroll
            for (int j = 0; j < Size::tc; ++j)
              of_b[j] = tile_b[k * Size::ldb + spread<Size::tc, Size::across>(x, j)];
#pragma unroll
            for (int i = 0; i < Size::tr; ++i) {
#pragma unroll
              for (int j = 0; j < Size::tc; ++j) sum[i][j] += of_a[i] * of_b[j];
            }
          }
          parts.next();
        });
    parts.finish();
#pragma unroll
    for (int i = 0; i < Size::tr; ++i) {
      const Index r = row0 + spread<Size::tr, Size::down>(y, i);
#pragma unroll
      for (int j = 0; j < Size::tc; ++j) {
        const Index c = col0 + spread<Size::tc, Size::across>(x, j);
        if (r < rows && c < cols) finish(r, c, sum[i][j]);
      }
    }
  }
}

}  // namespace fastfa::cuda

// The five matrices of Winograd's algorithm F(2 × 2, 3 × 3), and how they are applied to squares of
// vectors.
#pragma once

#include "kernels/simd.h"

namespace fastfa {
namespace {

// y = f(x) for each column, then for each row.
template <int N, int K, class V, class F>
__attribute__((always_inline)) inline void both_ways(const V (&x)[N][N], V (&y)[K][K], F f) {
  V half[K][N];
#pragma GCC unroll 4
  for (int j = 0; j < N; ++j) {
    V from[N], to[K];
#pragma GCC unroll 4
    for (int i = 0; i < N; ++i) from[i] = x[i][j];
    f(from, to);
#pragma GCC unroll 4
    for (int i = 0; i < K; ++i) half[i][j] = to[i];
  }
#pragma GCC unroll 4
  for (int i = 0; i < K; ++i) f(half[i], y[i]);
}

// B, G, A, Aᵀ and Gᵀ of the algorithm.
struct OfPixels {
  template <class V>
  void operator()(const V (&x)[4], V (&y)[4]) const {
    y[0] = x[0] - x[2], y[1] = x[1] + x[2], y[2] = x[2] - x[1], y[3] = x[1] - x[3];
  }
};
struct OfKernel {
  template <class V>
  void operator()(const V (&w)[3], V (&y)[4]) const {
    const V ends = w[0] + w[2];
    y[0] = w[0], y[1] = (ends + w[1]) / 2, y[2] = (ends - w[1]) / 2, y[3] = w[2];
  }
};
struct ToUnits {
  template <class V>
  void operator()(const V (&x)[4], V (&y)[2]) const {
    y[0] = x[0] + x[1] + x[2], y[1] = x[1] - x[2] - x[3];
  }
};
struct OfUnits {
  template <class V>
  void operator()(const V (&d)[2], V (&y)[4]) const {
    y[0] = d[0], y[1] = d[0] + d[1], y[2] = d[0] - d[1], y[3] = -d[1];
  }
};
struct ToKernel {
  template <class V>
  void operator()(const V (&x)[4], V (&w)[3]) const {
    const V half = (x[1] + x[2]) / 2;
    w[0] = x[0] + half, w[1] = (x[1] - x[2]) / 2, w[2] = half + x[3];
  }
};

// N × N vectors at `from`, and back.
template <class T, int N>
inline void load_square(const T* from, Index down, Index right, Vec<T> (&x)[N][N]) {
  for (int i = 0; i < N; ++i) {
    for (int j = 0; j < N; ++j) x[i][j] = load(from + i * down + j * right);
  }
}
template <class T, int N>
inline void store_square(const Vec<T> (&x)[N][N], Index down, Index right, T* to) {
  for (int i = 0; i < N; ++i) {
    for (int j = 0; j < N; ++j) store(to + i * down + j * right, x[i][j]);
  }
}

}  // namespace
}  // namespace fastfa

// What is left of an operation when a library has formed its product: dense_forward's end, and
// dense_update's with the gradient (n_in, n_out) in memory. (After propagate() it is times_slope().)
#pragma once

#include "cuda/learn.cuh"
#include "cuda/math.cuh"
#include "cuda/sums.cuh"

namespace fastfa::cuda {

// a ← σ(a + b)
template <class T>
__global__ void finish_forward(DenseForward<T> f) {
  for (Index i = thread_of_grid(); i < f.n * f.n_out; i += threads_of_grid()) {
    const Index o = i % f.n_out;
    T* at = f.a[i / f.n_out] + o;
    const T a = f.bias ? *at + f.bias[o] : *at;
    report_beyond(a, f.bad);
    *at = activate(a, f.activation);
  }
}

// A library adds up in one chain. So of a large batch it is given a part at a time:
constexpr Index blas_part = 4096;
// before (=|+=) gradient, both (rows, cols)
template <class T>
__global__ void add_part(View<const T> gradient, Index rows, Index cols, double* before, bool first) {
  for (Index e = thread_of_grid(); e < rows * cols; e += threads_of_grid()) {
    const double part = gradient[e / cols][e % cols];
    before[e] = first ? part : before[e] + part;
  }
}

// gradient: lies as w; before: (n_in, n_out) of earlier parts, or null
template <class T>
__global__ void finish_update(DenseUpdate<T> u, const T* gradient, const double* before,
                              const ReplayState* replay) {
  if (is_halted(u)) return;
  const Learning<T> learning = learning_now(u, u.s, replay);
  for (Index e = thread_of_grid(); e < u.n_in * u.n_out; e += threads_of_grid()) {
    const Index i = e / u.n_out, o = e % u.n_out;
    const bool exists = !u.mask || (u.mask[i][o / 32] >> o % 32 & 1);
    T sum = exists ? gradient[i * u.w.ld + o] : T(0);
    if (before && exists) sum = static_cast<T>(before[e] + sum);
    apply(learning, u.w.data, u.v, u.s, i * u.w.ld + o, sum, u.decay);
  }
}

// The bias' gradient is Σ δ over the examples: a block has a warp's width of units, each of its warps
// every bias_warps-th example.
constexpr int bias_warps = 16;
template <class T>
__global__ void finish_update_bias(DenseUpdate<T> u, const ReplayState* replay) {
  FASTFA_SHARED(T, sums, bias_warps * warp);
  const int lane = static_cast<int>(threadIdx.x), of_warp = static_cast<int>(threadIdx.y);
  const Index o = Index{blockIdx.x} * warp + lane;
  LongSum<T> own(u.n / bias_warps);
  for (Index n = of_warp; o < u.n_out && n < u.n; n += bias_warps) own.add(u.delta[n][o]);
  T sum = own.result();
  sums[of_warp * warp + lane] = sum;
  __syncthreads();
  if (is_halted(u) || of_warp != 0 || o >= u.n_out) return;
  for (int k = 1; k < bias_warps; ++k) sum += sums[k * warp + lane];
  const Learning<T> learning = learning_now(u, u.s, replay).of_bias();
  apply(learning, u.bias, u.v ? u.v_bias : nullptr, u.s ? u.s_bias : nullptr, o, sum, learning.decay);
}

}  // namespace fastfa::cuda

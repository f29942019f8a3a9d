// What is left of an operation when a library has formed its product: dense_forward's end, and
// dense_update's with the gradient (n_in, n_out) in memory. (propagate's is gate.)
#pragma once

#include "cuda/learn.cuh"
#include "cuda/math.cuh"

namespace fastfa::cuda {

// a ← σ(a + b)
template <class T>
__global__ void finish_forward(DenseForward<T> f) {
  for (Index i = thread_of_grid(); i < f.n * f.n_out; i += threads_of_grid()) {
    const Index o = i % f.n_out;
    T* at = f.a + i / f.n_out * f.lda + o;
    const T a = f.bias ? *at + f.bias[o] : *at;
    report_beyond(a, f.bad);
    *at = activate(a, f.activation);
  }
}

template <class T>
__global__ void finish_update(DenseUpdate<T> u, const T* gradient, Index ldg, const Live* live) {
  if (is_halted(u)) return;
  const Learning<T> rule = rule_now(u, u.s, live);
  for (Index e = thread_of_grid(); e < u.n_in * u.n_out; e += threads_of_grid()) {
    const Index i = e / u.n_out, o = e % u.n_out;
    const bool exists = !u.mask || (u.mask[i * u.ldm + o / 32] >> o % 32 & 1);
    apply(rule, u.w, u.v, u.s, i * u.ldw + o, exists ? gradient[i * ldg + o] : T(0), u.decay);
  }
}

// The bias' gradient is Σ δ over the examples: a block has a warp's width of units, each of its warps
// every bias_warps-th example.
constexpr int bias_warps = 16;
template <class T>
__global__ void finish_update_bias(DenseUpdate<T> u, const Live* live) {
  FASTFA_SHARED(T, sums, bias_warps * warp);
  const int lane = static_cast<int>(threadIdx.x), of_warp = static_cast<int>(threadIdx.y);
  const Index o = Index{blockIdx.x} * warp + lane;
  T sum = T(0);
  for (Index n = of_warp; o < u.n_out && n < u.n; n += bias_warps) sum += u.delta[n * u.ldd + o];
  sums[of_warp * warp + lane] = sum;
  __syncthreads();
  if (is_halted(u) || of_warp != 0 || o >= u.n_out) return;
  for (int k = 1; k < bias_warps; ++k) sum += sums[k * warp + lane];
  apply(rule_now(u, u.s, live), u.bias, u.v ? u.v_bias : nullptr, u.s ? u.s_bias : nullptr, o, sum,
        T(0));
}

}  // namespace fastfa::cuda

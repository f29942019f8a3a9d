// Whole runs of online steps of tiny networks, a block for each: forward, error, feedback and update
// with barriers in between, example after example, in one launch. Accumulates into w and bias.
#pragma once

#include "cuda/learn.cuh"
#include "cuda/output.cuh"
#include "kernels/tiny_ops.h"

namespace fastfa::cuda {

constexpr int tiny_threads = 128;

// h = σ(W x + b); the last layer stays at its pre-activation.
template <class T>
__device__ inline void tiny_forward(const TinyLayer<T>& l, const T* x, bool output, int* bad) {
  for (Index o = threadIdx.x; o < l.n_out; o += blockDim.x) {
    T sum = T(0);
    for (Index i = 0; i < l.n_in; ++i) sum += x[i] * l.w[i][o];
    const T a = l.bias ? sum + l.bias[o] : sum;
    if (!output) report_beyond(a, bad);  // output_row looks itself
    l.h[o] = output ? a : activate(a, l.activation);
  }
}

// δ = (B δ_source) ∘ σ′
template <class T>
__device__ inline void tiny_feedback(const TinyLayer<T>& l, int* bad) {
  for (Index j = threadIdx.x; l.b && j < l.n_out; j += blockDim.x) {
    T sum = T(0);
    for (Index k = 0; k < l.n_src; ++k) {
      sum += l.source[k] * (l.transposed ? l.b[j][k] : l.b[k][j]);
    }
    const T delta = sum * slope(l.h[j], l.activation);
    report_beyond(delta, bad);
    l.delta[j] = delta;
  }
}

// W ← W + η (δ hᵀ − γ W)
template <class T>
__device__ inline void tiny_update(const Learning<T>& learning, const TinyLayer<T>& l, const T* below,
                                   bool output) {
  const bool silent = !output && !l.b;  // nothing is sent to it
  if (!l.trainable || silent) return;
  T* const none = nullptr;
  for (Index e = threadIdx.x; e < l.n_in * l.n_out; e += blockDim.x) {
    const Index i = e / l.n_out, o = e % l.n_out;
    apply(learning, l.w.data, none, none, i * l.w.ld + o, below[i] * l.delta[o], learning.decay);
  }
  for (Index o = threadIdx.x; l.bias && o < l.n_out; o += blockDim.x) {
    apply(learning, l.bias, none, none, o, l.delta[o], T(0));
  }
}

template <class T>
__global__ void __launch_bounds__(tiny_threads) tiny_run(const TinyRun<T>* runs) {
  FASTFA_SHARED(int, bad, 1);
  FASTFA_SHARED(double, loss, 1);
  FASTFA_SHARED(double, weight, 1);
  FASTFA_SHARED(unsigned char, wrong, 1);
  const TinyRun<T> r = runs[blockIdx.x];
  const TinyLayer<T>& top = r.layers[r.count - 1];
  Learning<T> learning{};
  learning.rate = r.rate;
  learning.decay = r.decay;
  const bool first = threadIdx.x == 0;
  double loss_sum = *r.loss_sum;
  Index wrong_sum = 0, done = 0;
  if (first) *bad = 0;
  __syncthreads();
  for (; done < r.n; ++done) {
    const T* x = r.x[r.order[done]];
    for (Index i = threadIdx.x; i < r.layers[0].n_in; i += blockDim.x) report_beyond(x[i], bad);
    const T* h = x;
    for (Index l = 0; l < r.count; ++l) {
      tiny_forward(r.layers[l], h, l + 1 == r.count, bad);
      h = r.layers[l].h;
      __syncthreads();
    }
    if (threadIdx.x < warp) {
      const Output<T> o{1,   {top.h, 0},     top.n_out,      top.activation, r.loss,
                        r.y, r.order + done, {top.delta, 0}, loss,           wrong,
                        bad, r.weight,       weight};
      output_row(o, 0, static_cast<int>(threadIdx.x));
    }
    __syncthreads();
    for (Index l = r.count - 2; l >= 0; --l) {
      tiny_feedback(r.layers[l], bad);
      __syncthreads();
    }
    if (*bad) break;
    h = x;
    for (Index l = 0; l < r.count; ++l) {
      tiny_update(learning, r.layers[l], h, l + 1 == r.count);
      h = r.layers[l].h;
    }
    loss_sum += *loss;
    wrong_sum += *wrong;
    if (r.weight && first) *r.missed += *wrong * *weight;  // not in a register: most have no weights
    __syncthreads();
  }
  if (!first) return;
  *r.loss_sum = loss_sum;
  *r.wrong = wrong_sum;
  *r.done = done;
}

}  // namespace fastfa::cuda

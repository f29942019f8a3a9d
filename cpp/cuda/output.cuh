// The output layer, a warp for each example: y = σ(a), then δ, loss and whether the largest output is
// right. Loss is computed from a, where it is exact.
#pragma once

#include "cuda/math.cuh"
#include "cuda/sums.cuh"

namespace fastfa::cuda {

constexpr int output_rows = 4;  // examples of a block

// The place of the largest of a row, the first of equals, as every lane's.
template <class T>
__device__ inline Index argmax(const T* x, Index n, int lane) {
  T top = T(0);
  Index at = n;  // none yet
  for (Index i = lane; i < n; i += warp) {
    if (at == n || x[i] > top) {
      top = x[i];
      at = i;
    }
  }
  for (int flip = warp / 2; flip > 0; flip /= 2) {
    const T other = __shfl_xor_sync(0xffffffffu, top, flip);
    const Index place = __shfl_xor_sync(0xffffffffu, at, flip);
    if (place < n && (at == n || other > top || (other == top && place < at))) {
      top = other;
      at = place;
    }
  }
  return at;
}

// a ← softmax(a); returns log Σ exp(a).
template <class T>
__device__ inline T softmax(T* a, Index n, int lane) {
  T top = a[0];
  for (Index i = lane; i < n; i += warp) top = a[i] > top ? a[i] : top;
  top = warp_max(top);
  LongSum<T> own(n / warp);
  for (Index i = lane; i < n; i += warp) own.add(exp(a[i] - top));
  const T sum = warp_sum(own.result());
  for (Index i = lane; i < n; i += warp) a[i] = exp(a[i] - top) / sum;
  return top + log(sum);
}

template <class T>
__device__ inline void output_row(const Output<T>& o, Index n, int lane) {
  const bool squared = o.loss == Loss::squared_error;
  T* a = o.a[n];
  const T* y = o.y ? o.y[o.order[n]] : nullptr;
  int beyond = 0;
  for (Index i = lane; i < o.n_out; i += warp) beyond |= !within_limit(a[i]);
  if (warp_max(beyond)) {
    if (lane == 0) atomicOr(o.bad, 1);
    return;
  }

  double total = 0;
  if (o.activation.kind == Activation::softmax) {
    for (Index i = lane; y && i < o.n_out; i += warp) total -= static_cast<double>(a[i]) * y[i];
    const T log_sum = softmax(a, o.n_out, lane);
    for (Index i = lane; y && i < o.n_out; i += warp) total += static_cast<double>(log_sum) * y[i];
  } else {
    for (Index i = lane; i < o.n_out; i += warp) {
      const T x = a[i];
      if (y && !squared) {  // softplus(a) − y a
        total += (x > 0 ? x : T(0)) + log1p(exp(x > 0 ? -x : x)) - y[i] * x;
      }
      a[i] = activate(x, o.activation);
    }
  }
  if (!y) return;
  if (squared) {
    for (Index i = lane; i < o.n_out; i += warp) {
      const double e = static_cast<double>(y[i]) - a[i];
      total += 0.5 * e * e;
    }
  }
  total = warp_sum(total);
  // Lanes read what others wrote: argmax's own elements are the lane's own, so no barrier is needed.
  const bool wrong = argmax(a, o.n_out, lane) != argmax(y, o.n_out, lane);
  const T weight = o.weight ? o.weight[o.order[n]] : T(1);
  if (o.weight) total = weight > 0 ? weight * total : 0.0;
  if (lane == 0) {
    if (o.weight) o.weight_rows[n] = weight;
    o.loss_rows[n] = total;
    o.wrong[n] = wrong;
  }
  if (!o.delta) return;
  for (Index i = lane; i < o.n_out; i += warp) {
    T delta = y[i] - a[i];
    if (squared) delta *= slope(a[i], o.activation);
    report_beyond(delta, o.bad);
    if (o.weight) {
      delta *= weight;
      report_beyond(delta, o.bad);
    }
    o.delta[n][i] = delta;
  }
}

template <class T>
__global__ void output(Output<T> o) {
  const Index n = Index{blockIdx.x} * output_rows + threadIdx.y;
  if (n < o.n) output_row(o, n, static_cast<int>(threadIdx.x));
}

}  // namespace fastfa::cuda

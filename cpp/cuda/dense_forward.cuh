// a = σ(h W + b): h (n, n_in) · W (n_in, n_out) → a (n, n_out), overwritten.
#pragma once

#include "cuda/math.cuh"
#include "cuda/multiply.cuh"

namespace fastfa::cuda {

template <class T, class Size>
__global__ void __launch_bounds__(Size::threads) dense_forward(DenseForward<T> f) {
  const Index depth = f.ranges.count > 0 ? f.n_in : 0;  // without ranges the input is zero
  multiply<T, Size, true, false>(
      f.n, f.n_out, depth, [&](Index n, Index i) { return f.h[n][i]; },
      [&](Index i, Index o) { return f.w[i][o]; },
      [&](Index n, Index o, T sum) {
        const T a = f.bias ? sum + f.bias[o] : sum;
        report_beyond(a, f.bad);
        f.a[n][o] = activate(a, f.activation);
      });
}

}  // namespace fastfa::cuda

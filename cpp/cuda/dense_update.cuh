// The optimizer's step in one pass over W: hᵀ (n_in, n) · δ (n, n_out) is formed a tile at a time in
// registers and applied at once. Accumulates into w, bias and the optimizer's memory of them.
#pragma once

#include "cuda/learn.cuh"
#include "cuda/multiply.cuh"

namespace fastfa::cuda {

// is_long: of more than k_block examples.
template <class T, class Size, bool is_long>
__global__ void __launch_bounds__(Size::threads)
    dense_update(DenseUpdate<T> u, const ReplayState* replay) {
  if (is_halted(u)) return;
  const Learning<T> learning = learning_now(u, u.s, replay);
  multiply<T, Size, false, false, is_long>(
      u.n_in, u.n_out, u.n, [&](Index i, Index n) { return u.h[n][i]; },
      [&](Index n, Index o) { return u.delta[n][o]; },
      [&](Index i, Index o, T gradient) {
        if (u.mask && !(u.mask[i][o / 32] >> o % 32 & 1)) gradient = T(0);
        apply(learning, u.w.data, u.v, u.s, i * u.w.ld + o, gradient, u.decay);
      });
  if (!u.bias || blockIdx.y != 0) return;
  const Learning<T> own = learning.of_bias();
  for (int c = static_cast<int>(threadIdx.x); c < Size::cols; c += Size::threads) {
    const Index o = Index{blockIdx.x} * Size::cols + c;
    if (o >= u.n_out) break;
    LongSum<T> sum(u.n);
    for (Index n = 0; n < u.n; ++n) sum.add(u.delta[n][o]);
    apply(own, u.bias, u.v ? u.v_bias : nullptr, u.s ? u.s_bias : nullptr, o, sum.result(), own.decay);
  }
}

}  // namespace fastfa::cuda

// The optimizer's step on a locally connected layer: at each position, the patch times δ, summed over
// the examples in order, a thread for each weight. A block gathers in shared memory, some examples at a
// time, the inputs and the deltas that its weights need; x_across (inputs, n) and across (units, n) have
// examples side by side. Accumulates into w, bias and the optimizer's memory of them.
#pragma once

#include "cuda/learn.cuh"
#include "cuda/local.cuh"
#include "cuda/sums.cuh"

namespace fastfa::cuda {

constexpr int local_weights = 256;  // of a block: neighbours in memory, input by input, map by map
constexpr int local_rows = local_weights + 2;  // inputs and maps that so many weights have, at the most

template <class T>
__global__ void __launch_bounds__(local_weights)
    local_update(LocalUpdate<T> u, const ReplayState* replay) {
  constexpr int width = local_examples<T>, ld = width + 1;  // against bank conflicts
  FASTFA_SHARED(T, rows, local_rows * ld);
  if (is_halted(u)) return;
  const Learning<T> learning = learning_now(u, u.s, replay);
  const LocalShape& s = u.shape;
  const int thread = static_cast<int>(threadIdx.x);
  const Index weights = s.patch() * s.maps, parts = ceil_div(weights, local_weights);
  for (Index part = blockIdx.x; part < s.positions() * parts; part += gridDim.x) {
    const Index p = part / parts, first = part % parts * local_weights;
    const Index last = least(first + local_weights, weights) - 1, own = first + thread;
    // Rows: inputs from k0 on, then maps from m0 on and round.
    const Index k0 = first / s.maps, m0 = first % s.maps;
    const int inputs = static_cast<int>(last / s.maps - k0) + 1;
    const int maps = static_cast<int>(least(s.maps, last - first + 1));
    const int of_input = static_cast<int>(own / s.maps - k0) * ld;
    const int of_map = (inputs + static_cast<int>((own % s.maps + s.maps - m0) % s.maps)) * ld;
    LongSum<T> sum(u.n);
    for (Index n0 = 0; n0 < u.n; n0 += width) {
      const int count = static_cast<int>(least(u.n - n0, Index{width}));
      __syncthreads();  // all are done with what was there
      for (int i = thread; i < (inputs + maps) * width; i += local_weights) {
        const int row = i / width, n = i % width;
        const Index input = row < inputs ? input_of(s, p, k0 + row) : -1;
        T value = T(0);
        if (n < count && input >= 0) value = u.x_across[input][n0 + n];
        if (n < count && row >= inputs) {
          value = u.across[(m0 + row - inputs) % s.maps * s.positions() + p][n0 + n];
        }
        rows[row * ld + n] = value;
      }
      __syncthreads();
      if (own > last) continue;
      for (int n = 0; n < count; ++n) sum.add(rows[of_input + n] * rows[of_map + n]);
    }
    if (own > last) continue;
    apply(learning, u.w.data, u.v, u.s, p * u.w.ld + place_of_weight(s, own), sum.result(), u.decay);
  }
}

template <class T>
__global__ void local_update_bias(LocalUpdate<T> u, const ReplayState* replay) {
  if (is_halted(u)) return;
  const Learning<T> learning = learning_now(u, u.s, replay).of_bias();
  for (Index unit = thread_of_grid(); unit < u.shape.units(); unit += threads_of_grid()) {
    LongSum<T> sum(u.n);
    for (Index n = 0; n < u.n; ++n) sum.add(u.delta[n][unit]);
    apply(learning, u.bias, u.v ? u.v_bias : nullptr, u.s ? u.s_bias : nullptr, unit, sum.result(),
          learning.decay);
  }
}

}  // namespace fastfa::cuda

// Random numbers from Philox: out (rows, cols), overwritten; and noise on pre-activations: a ← σ(a +
// out). A thread has four rows of a column, the four words of a block.
#pragma once

#include "core/machine/replay_state.h"
#include "cuda/math.cuh"
#include "fastfa/philox.h"

namespace fastfa::cuda {

__device__ inline Philox4x32 words_of(std::uint64_t seed, std::uint32_t purpose, std::uint32_t layer,
                                      Index column, Index four_rows) {
  return philox4x32(
      {{static_cast<std::uint32_t>(column), static_cast<std::uint32_t>(four_rows), purpose, layer}},
      static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32));
}

// (word + ½) / 2³² in (0, 1), with the CPU's roundings: the top bit apart, in float.
template <class T>
__device__ inline T unit(std::uint32_t word) {
  T low = static_cast<T>(word & 0x7fffffffu);
  if (word >> 31) low += T(2147483648.0);
  return (low + T(0.5)) * T(1.0 / 4294967296.0);
}

template <class T>
__device__ inline void four_numbers(const Draw<T>& d, const Philox4x32& words, T* x) {
  const auto distribution = d.distribution;
  for (int i = 0; i < 4; ++i) x[i] = unit<T>(words.word[i]);
  if (distribution == Distribution::normal) {  // a pair makes a pair (Box and Muller)
    for (int i = 0; i < 4; i += 2) {
      const T radius = d.scale * sqrt(T(-2) * log(x[i]));
      const T angle = T(6.283185307179586476925286766559) * x[i + 1];
      x[i] = radius * cos(angle);
      x[i + 1] = radius * sin(angle);
    }
    return;
  }
  for (int i = 0; i < 4; ++i) {
    x[i] = distribution == Distribution::uniform ? d.scale * (T(2) * x[i] - T(1)) : d.scale * x[i];
  }
}

template <class T>
__global__ void draw(Draw<T> d, const ReplayState* replay) {
  const std::uint32_t step = replay ? static_cast<std::uint32_t>(replay->now) : d.layer;
  const Index fours = ceil_div(d.rows, 4);
  for (Index t = thread_of_grid(); t < fours * d.cols; t += threads_of_grid()) {
    const Index four = t / d.cols, c = t % d.cols;
    T x[4];
    four_numbers(d, words_of(d.seed, d.purpose, step, c, d.row0 / 4 + four), x);
    for (int i = 0; i < 4; ++i) {
      const Index r = 4 * four + i;
      if (r >= d.rows) break;
      d.out[r][c] = x[i];
      if (!d.a) continue;
      const T a = d.a[r][c] + x[i];
      report_beyond(a, d.bad);
      d.a[r][c] = activate(a, d.activation);
    }
  }
}

}  // namespace fastfa::cuda

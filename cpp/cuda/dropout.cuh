// to = x · scale where the element is kept, 0 where it is dropped: the CPU's own mask, drawn on the
// spot.
#pragma once

#include "cuda/draw.cuh"

namespace fastfa::cuda {

template <class T>
__global__ void dropout(Dropout<T> d, const ReplayState* replay) {
  const std::uint32_t step = replay ? static_cast<std::uint32_t>(replay->now) : d.layer;
  const Index fours = ceil_div(d.rows, 4);
  for (Index t = thread_of_grid(); t < fours * d.cols; t += threads_of_grid()) {
    const Index four = t / d.cols, c = t % d.cols;
    const Philox4x32 words = words_of(d.seed, d.purpose, step, c, d.row0 / 4 + four);
    for (int i = 0; i < 4; ++i) {
      const Index r = 4 * four + i;
      if (r >= d.rows) break;
      d.to[r][c] = words.word[i] >= d.threshold ? d.x[r][c] * d.scale : T(0);
    }
  }
}

}  // namespace fastfa::cuda

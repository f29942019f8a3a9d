// The beginning of a recorded step: order ← the next n examples, and what else differs from the last
// step. One block.
#pragma once

#include "core/machine/replay_state.h"
#include "cuda/portable.cuh"

namespace fastfa::cuda {

static __global__ void next_batch(ReplayState* replay, Index n, Index* order) {
  const Index* from = replay->order + replay->at;
  for (Index i = threadIdx.x; i < n; i += blockDim.x) order[i] = from[i];
  __syncthreads();
  if (threadIdx.x != 0) return;
  const Index count = replay->count;
  if (replay->schedule) {
    replay->adam_step = replay->schedule[2 * count];
    replay->adam_root = replay->schedule[2 * count + 1];
  }
  replay->at += n;
  replay->now = replay->first + count;
  replay->count = count + 1;
}

}  // namespace fastfa::cuda

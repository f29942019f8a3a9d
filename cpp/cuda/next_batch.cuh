// The beginning of a recorded step: order ← the next n examples, and what else differs from the last
// step. One block.
#pragma once

#include "core/machine/live.h"
#include "cuda/portable.cuh"

namespace fastfa::cuda {

static __global__ void next_batch(Live* live, Index n, Index* order) {
  const Index* from = live->order + live->at;
  for (Index i = threadIdx.x; i < n; i += blockDim.x) order[i] = from[i];
  __syncthreads();
  if (threadIdx.x != 0) return;
  const Index count = live->count;
  if (live->schedule) {
    live->adam_step = live->schedule[2 * count];
    live->adam_root = live->schedule[2 * count + 1];
  }
  live->at += n;
  live->now = live->first + count;
  live->count = count + 1;
}

}  // namespace fastfa::cuda

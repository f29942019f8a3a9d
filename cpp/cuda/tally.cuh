// Was a value of this step out of range? Else its losses and errors are added up. One warp.
#pragma once

#include "cuda/portable.cuh"

namespace fastfa::cuda {

static __global__ void tally(Tally t) {
  const int lane = static_cast<int>(threadIdx.x);
  int flagged = *t.halted;
  for (Index i = lane; i < t.n_flags; i += warp) flagged |= t.flags[i];
  flagged = warp_max(flagged);
  double loss = 0;
  Index wrong = 0;
  for (Index n = lane; n < t.n; n += warp) {
    loss += t.loss_rows[n];
    wrong += t.wrong[n];
  }
  loss = warp_sum(loss);
  wrong = warp_sum(wrong);
  if (lane != 0) return;
  if (flagged) {
    *t.halted = 1;
  } else {
    *t.loss_sum += loss;
    *t.wrong_sum += wrong;
  }
}

}  // namespace fastfa::cuda

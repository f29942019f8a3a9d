// Was a value of this step out of range? Else its losses and errors are added up. One warp.
#pragma once

#include "core/machine/replay_state.h"
#include "cuda/portable.cuh"

namespace fastfa::cuda {

static __global__ void tally(Tally t, ReplayState* replay) {
  const int lane = static_cast<int>(threadIdx.x);
  const int halted = *t.halted;
  int flagged = halted;
  Index first = 0;  // of the flags that are set, counted from the end: so the first is the largest
  for (Index i = lane; i < t.n_flags; i += warp) {
    if (t.flags[i] && first == 0) first = t.n_flags - i;
    flagged |= t.flags[i];
  }
  flagged = warp_max(flagged);
  first = warp_max(first);
  double loss = 0, missed = 0;
  Index wrong = 0;
  for (Index n = lane; n < t.n; n += warp) {
    loss += t.loss_rows[n];
    wrong += t.wrong[n];
    if (t.weight_rows) missed += t.wrong[n] * t.weight_rows[n];
  }
  if (t.weight_rows) missed = warp_sum(missed);
  loss = warp_sum(loss);
  wrong = warp_sum(wrong);
  if (lane != 0) return;
  if (flagged) {
    if (replay && !halted) {
      replay->halted_at = replay->now;
      replay->site = t.n_flags - first;
    }
    *t.halted = 1;
  } else {
    *t.loss_sum += loss;
    *t.wrong_sum += wrong;
    if (t.weight_rows) *t.missed_sum += missed;
  }
}

}  // namespace fastfa::cuda

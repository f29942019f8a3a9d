// What changes from step to step of a recording. It lies in the device's memory, and the device itself
// updates it.
#pragma once

#include "kernels/ops.h"

namespace fastfa {

struct ReplayState {
  const Index* order;      // examples that are still to come, batch by batch
  Index at;                // how many of them have been
  std::int64_t first;      // steps that the network had made before
  std::int64_t count;      // steps begun since
  std::int64_t now;        // the step under way: first + count − 1
  const double* schedule;  // Learning::step and root of each, where squares are kept; null: none
  double adam_step, adam_root;
  std::int64_t halted_at;  // the first step in which a value was out of range,
  std::int64_t site;       // and the first of its flags that was set
};

}  // namespace fastfa

// What each optimizer checks, what it remembers, and what a step of it is to the kernels. How they are
// described is in fastfa/optimizers.h; what the kernels do with the numbers is in kernels/learn.h.
#pragma once

#include <cstdint>

#include "core/layers/layer.h"

namespace fastfa {

// Throws std::invalid_argument where an optimizer is not what it must be. Where it is, an update of
// allowed activations and deltas (value_limit) stays finite.
void check_optimizer(const Optimizer& optimizer, Index batch_size);

Memory memory_of(const Optimizer& optimizer);

// Do steps with this memory count, for Adam's t?
inline bool counts_steps(Memory memory) { return memory == Memory::adam; }

// What the kernels need to know of an optimizer for one step.
template <class T>
struct OptimizerStep {
  Memory memory;
  Learning<T> learning;

  // Does a weight move where its gradient is zero?
  bool moves_anyway() const { return memory != Memory::none || learning.decay != 0; }
};

// A step with n examples, the t-th since the memory was zero.
template <class T>
OptimizerStep<T> step_of(const Optimizer& optimizer, Index n, std::int64_t t);

}  // namespace fastfa

// What each optimizer checks, what it remembers, and what a step of it is to the kernels. How they are
// described is in fastfa/optimizers.h; what the kernels do with the numbers is in kernels/learn.h.
#pragma once

#include <cstdint>

#include "core/layers/layer.h"

namespace fastfa {

// Throws std::invalid_argument where an optimizer is not what it must be. Where it is, an update of
// allowed activations and deltas (value_limit) stays finite, with the layers' own factors, too.
void check_optimizer(const Optimizer& optimizer, Index batch_size, const std::vector<LayerSpec>& layers);

Memory memory_of(const Optimizer& optimizer);

// Do steps with this memory count, for Adam's t?
inline bool counts_steps(Memory memory) { return memory == Memory::adam; }

// Has the layer factors of its own on the learning rate or the decay?
inline bool has_scales(const LayerSpec& layer) {
  return layer.lr_scale != 1 || layer.decay_scale != 1 || layer.bias_lr_scale != 1 ||
         layer.bias_decay_scale != 0;
}

// Must gradients be known before any weight changes?
bool limits_gradients(const Optimizer& optimizer);

// What the kernels need to know of an optimizer for one step.
template <class T>
struct OptimizerStep {
  Memory memory;
  Learning<T> learning;
  bool outer_decay;              // decay is taken from W itself, not a part of the gradient
  double clip_norm, clip_value;  // 0: no limit
  double share;                  // s: times the sum over a batch it is the gradient

  Learning<T> of(const LayerSpec& layer) const;  // what it is to the parameters of this layer

  // Does a weight that learns so move where its gradient is zero?
  bool moves_anyway(const Learning<T>& own) const { return memory != Memory::none || own.decay != 0; }
};

// A step with n examples, the t-th since the memory was zero.
template <class T>
OptimizerStep<T> step_of(const Optimizer& optimizer, Index n, std::int64_t t);

}  // namespace fastfa

// How a network is taught, and what an optimizer does in one step.
#pragma once

#include <vector>

#include "core/matrices/feedback.h"

namespace fastfa {

// By errors through feedback matrices, one for each hidden layer, or by node perturbation with noise of
// standard deviation `perturbation` > 0.
template <class T>
struct Teaching {
  std::vector<Feedback<T>> feedback;
  double perturbation = 0.0;
};

template <class T>
Teaching<T> make_teaching(Allocator& allocator, const std::vector<FeedbackSpec>& feedback,
                          double perturbation, const NetworkSpec& net);

// What the kernels need to know of an optimizer for one step.
template <class T>
struct OptimizerStep {
  Memory memory;
  Learning<T> learning;

  // Does a weight move where its gradient is zero?
  bool moves_anyway() const { return memory != Memory::none || learning.decay != 0; }
};

inline Memory memory_of(const Optimizer& optimizer) {
  const Sgd* sgd = std::get_if<Sgd>(&optimizer);
  return !sgd ? Memory::adam : sgd->momentum != 0 ? Memory::velocity : Memory::none;
}

}  // namespace fastfa

// The learning rule of a network: what makes the deltas of its hidden layers.
#pragma once

#include <vector>

#include "core/matrices/feedback.h"

namespace fastfa {

// Feedback matrices, one for each hidden layer, or node perturbation.
template <class T>
struct LearningRule {
  std::vector<Feedback<T>> feedback;
  Perturbation perturbation;
};

template <class T>
LearningRule<T> make_rule(Allocator& allocator, const std::vector<FeedbackSpec>& feedback,
                          const Perturbation& perturbation, const NetworkSpec& net);

}  // namespace fastfa

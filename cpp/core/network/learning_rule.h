// The learning rule of a network: what makes the deltas of its hidden layers.
#pragma once

#include <vector>

#include "core/matrices/feedback.h"

namespace fastfa {

// Feedback matrices, one for each hidden layer, or node perturbation with noise of standard deviation
// `perturbation` > 0.
template <class T>
struct LearningRule {
  std::vector<Feedback<T>> feedback;
  double perturbation = 0.0;
};

template <class T>
LearningRule<T> make_rule(Allocator& allocator, const std::vector<FeedbackSpec>& feedback,
                          double perturbation, const NetworkSpec& net);

}  // namespace fastfa

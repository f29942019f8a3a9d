// How a network is taught.
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

}  // namespace fastfa

// The feedback algebra: what carries the error into each hidden layer.
#pragma once

#include <string>
#include <vector>

#include "core/buffer.h"
#include "fastfa/types.h"

namespace fastfa {

// Δh_l = B δ_source, then ∘ σ′ (the paper's equation 2).
template <class T>
struct Feedback {
  Matrix matrix = Matrix::uniform;
  Route route = Route::layerwise;
  double scale = 0.0;  // of the random matrices
  Buffer<T> b;         // Bᵀ (n_source, n_l); empty for transpose and zero
};

// units: sizes of all weighted layers. Throws std::invalid_argument naming the argument.
template <class T>
std::vector<Feedback<T>> make_feedback(const std::vector<FeedbackSpec>& specs,
                                       const std::vector<std::int64_t>& units, std::uint64_t seed);

}  // namespace fastfa

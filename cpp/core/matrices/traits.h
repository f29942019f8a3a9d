// What is known of a matrix by its name.
#pragma once

#include "fastfa/export.h"
#include "fastfa/types.h"

namespace fastfa {

struct MatrixTraits {
  // The variance of B's elements at scale 1. Null: the matrix has no scale.
  double (*unit_variance)(const FeedbackSpec& spec);
  double density;                     // default share of nonzero elements; 0: this kind is not sparse
  bool learns;                        // B may change while the network learns (Plasticity)
  bool follows_weights;               // B is computed from W of the layer above
  bool reads_weights_before_forward;  // prepare() reads W, so W must be up to date by then
  bool runs_on_host;                  // the host has a part in prepare() or propagate()
  bool stored_dense;                  // B is kept as a whole matrix, which checkpoints save
  bool of_pattern;  // B has the pattern of W of the layer above where that isn't full (is_patterned)
  bool is_code;     // propagate() is the caller's own code, which may read any W
};

FASTFA_API const MatrixTraits& traits_of(Matrix matrix);

}  // namespace fastfa

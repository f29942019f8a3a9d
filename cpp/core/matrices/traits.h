// What is known of a matrix by its name.
#pragma once

#include "fastfa/export.h"
#include "fastfa/types.h"

namespace fastfa {

struct MatrixTraits {
  // The variance of B's elements at scale 1. Null: the matrix has no scale.
  double (*unit_variance)(const FeedbackSpec& spec);
  double density;        // the share of elements that are kept, if none is given; 0: all always are
  bool learns;           // B can have a plasticity
  bool follows_weights;  // B is made of W of the layer above
  bool reads_weights_before_forward;  // prepare() reads that W
  bool runs_on_host;                  // the host has a part in prepare() or propagate()
  bool stored_dense;                  // B is numbers in memory, and state
  bool of_pattern;  // B has the pattern of W of the layer above where that isn't full (is_patterned)
  bool is_code;     // propagate() is the caller's, who may read any W in it
};

FASTFA_API const MatrixTraits& traits_of(Matrix matrix);

}  // namespace fastfa

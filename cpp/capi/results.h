// What examples count, and where results go.
#pragma once

#include <string>
#include <vector>

#include "capi/handle.h"

namespace fastfa {

// The weights of `rows` examples, side by side.
template <class T>
std::vector<T> weights_of(const fastfa_view& given, std::int64_t rows) {
  const MatrixView<const T> view = read<T>("sample_weight", given);
  if (view.rows != rows || view.cols != 1) {
    refuse("[fastfa] sample_weight has shape (" + std::to_string(view.rows) + ", " +
           std::to_string(view.cols) + "); it must be (" + std::to_string(rows) +
           ", 1), one for each row of x");
  }
  std::vector<T> weights;
  weights.reserve(static_cast<std::size_t>(rows));
  for (std::int64_t i = 0; i < rows; ++i) weights.push_back(view.data[i * view.row_stride]);
  return weights;
}

// Where a result goes: as long as it is here, or longer in a newer header.
inline void check_weighted(const fastfa_weighted_result* result, bool needed) {
  if (needed) check_not_null("result", result);
  if (!result || result->struct_size >= sizeof(*result)) return;
  refuse("[fastfa_weighted_result] struct_size was " + std::to_string(result->struct_size) +
         "; it must be sizeof(fastfa_weighted_result), as its _INIT makes it");
}
inline void tell(fastfa_weighted_result* result, const EpochResult& r) {
  if (!result) return;
  result->loss = r.loss;
  result->missed = r.missed;
  result->weight = r.weight;
  result->examples = r.examples;
}

}  // namespace fastfa

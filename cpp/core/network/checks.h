// Checks that throw std::invalid_argument naming the argument, what it was, and what it must be.
#pragma once

#include "core/base/messages.h"
#include "core/base/sizes.h"
#include "fastfa/types.h"

namespace fastfa {

template <class T>
void check_spec(const NetworkSpec& spec);
// A weight for each of the examples order[0 … n), or, without an order, of 0 … n − 1; null: none.
template <class T>
void check_weights(const char* call, const T* sample_weight, const Index* order, Index n);

// Refuses a matrix that is null, or has another shape than this.
template <class T>
void check_matrix(const char* call, const char* what, const MatrixView<T>& m, Index rows, Index cols) {
  if (m.data && m.rows == rows && m.cols == cols && m.col_stride == 1) return;
  const std::string shape = "(" + std::to_string(m.rows) + ", " + std::to_string(m.cols) + ")";
  refuse("[" + std::string(call) + "] " + what + (m.data ? " has shape " + shape : " was null") +
         "; it must be (" + std::to_string(rows) + ", " + std::to_string(cols) +
         "), contiguous in each row");
}

}  // namespace fastfa

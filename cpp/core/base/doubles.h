// Matrices as the caller's code sees them: in double precision, without gaps between rows.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "kernels/ops.h"

namespace fastfa {

template <class T>
void to_doubles(View<const T> from, Index rows, Index cols, std::vector<double>& to) {
  to.resize(static_cast<std::size_t>(rows * cols));
  for (Index r = 0; r < rows; ++r) std::copy_n(from[r], cols, to.data() + r * cols);
}

// Back again. A number that is NaN, infinite or too large becomes NaN, and then false is returned.
template <class T>
bool from_doubles(const std::vector<double>& from, Index rows, Index cols, View<T> to) {
  bool fine = true;
  for (Index r = 0; r < rows; ++r) {
    for (Index c = 0; c < cols; ++c) {
      const double value = from[static_cast<std::size_t>(r * cols + c)];
      const bool within = std::abs(value) <= value_limit<T>;
      to[r][c] = within ? static_cast<T>(value) : std::numeric_limits<T>::quiet_NaN();
      fine &= within;
    }
  }
  return fine;
}

}  // namespace fastfa

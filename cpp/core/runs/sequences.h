// How a batch of sequences becomes a batch of rows.
#pragma once

#include <vector>

#include "kernels/ops.h"

namespace fastfa {

// The rows of x that sequences order[first … first + n) are: all of time 0, then all of time 1, and so
// on. Without an order: sequences first … first + n.
inline void fill_rows(std::vector<Index>& rows, const Index* order, Index first, Index n, Index times) {
  rows.resize(static_cast<std::size_t>(n * times));
  for (Index t = 0; t < times; ++t) {
    for (Index e = 0; e < n; ++e) {
      const Index sequence = order ? order[first + e] : first + e;
      rows[static_cast<std::size_t>(t * n + e)] = sequence * times + t;
    }
  }
}

}  // namespace fastfa

// How a batch of sequences becomes a batch of rows.
#pragma once

#include <functional>
#include <utility>
#include <vector>

#include "core/network/range_checks.h"
#include "kernels/ops.h"

namespace fastfa {

// While it lives, checks ask `when` at which time a value went out of range.
template <class T>
class WhenGuard {
 public:
  WhenGuard(RangeChecks<T>& checks, std::function<Index(int layer)> when) : checks_(checks) {
    checks.when = std::move(when);
  }
  ~WhenGuard() { checks_.when = nullptr; }
  WhenGuard(const WhenGuard&) = delete;
  WhenGuard& operator=(const WhenGuard&) = delete;

 private:
  RangeChecks<T>& checks_;
};

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

// What several calls are given, checked: weights of examples, an order, a poll, a struct for results.
#pragma once

#include <numeric>
#include <string>
#include <vector>

#include "capi/handle.h"

namespace fastfa {

// What each of `rows` examples counts.
template <class T>
class Weights {
 public:
  // No weights: every example counts 1.
  Weights(const fastfa_view* given, std::int64_t rows) {
    if (!given) return;
    const MatrixView<const T> view = read<T>("sample_weight", *given);
    if (view.rows != rows || view.cols != 1) {
      refuse("[fastfa] sample_weight has shape (" + std::to_string(view.rows) + ", " +
             std::to_string(view.cols) + "); it must be (" + std::to_string(rows) +
             ", 1), one for each row of x");
    }
    values_.reserve(static_cast<std::size_t>(rows));
    for (std::int64_t i = 0; i < rows; ++i) values_.push_back(view.data[i * view.row_stride]);
  }
  const T* data() const { return values_.empty() ? nullptr : values_.data(); }

 private:
  std::vector<T> values_;
};

// Which of `all` examples or sequences a call learns from, and in which order.
struct Order {
  // Without an order of the caller's: all of them, from the first to the last.
  Order(const char* call, const std::int64_t* given, std::int64_t count, std::int64_t all)
      : data(given), n(count) {
    if (!given) {
      natural.resize(static_cast<std::size_t>(all));
      std::iota(natural.begin(), natural.end(), std::int64_t{0});
      data = natural.data();
      n = all;
    }
    if (n >= 1) return;
    refuse("[" + std::string(call) + "] n was " + std::to_string(n) + "; it must be at least 1");
  }
  Order(const Order&) = delete;
  Order& operator=(const Order&) = delete;

  const std::int64_t* data;
  std::int64_t n;
  std::vector<std::int64_t> natural;
};

inline Poll poll_of(fastfa_poll poll, void* user) {
  if (!poll) return {};
  return [=] { return poll(user) != 0; };
}

// A caller with a newer header has a longer struct; a shorter one was not made by its _INIT.
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

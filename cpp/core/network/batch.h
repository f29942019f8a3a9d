// The batch under way: its inputs, gathered and aligned, and what came of each example.
#pragma once

#include <numeric>
#include <vector>

#include "core/machine/buffer.h"
#include "fastfa/types.h"

namespace fastfa {

// The caller's matrix as a View. The numbers of one row must follow each other in memory.
template <class T>
View<const T> rows_of(const MatrixView<const T>& m) {
  return {m.data, m.row_stride};
}

template <class T>
struct Batch {
  MatrixView<const T> x, y;  // the caller's arrays; y.data may be null
  const Index* order = nullptr;
  const T* weight = nullptr;  // of the caller's examples; null: all 1
  Index n = 0;

  Buffer<T> input;                  // (n, n_in)
  Buffer<unsigned char> active;     // per input: not zero in the whole batch
  std::vector<ColumnRange> ranges;  // the active inputs
  Buffer<double> loss;              // per example
  Buffer<unsigned char> wrong;      // per example
  Buffer<double> weight_rows;       // per example, where there are weights
  Buffer<double> noisy_loss;        // the same two for node perturbation's second pass
  Buffer<unsigned char> noisy_wrong;
  Buffer<Index> natural;  // 0, 1, 2, … for calls without an order
  Buffer<T> target;       // (n, n_out), gathered where a route asks for it
  Buffer<unsigned char> target_active;
  bool target_there = false;

  Index capacity() const { return loss.cols(); }

  void reserve(Allocator& allocator, Index batch, Index inputs, Index outputs) {
    input = Buffer<T>(allocator, batch, inputs);
    target = Buffer<T>(allocator, batch, outputs);
    target_active = Buffer<unsigned char>(allocator, 1, outputs);
    active = Buffer<unsigned char>(allocator, 1, inputs);
    ranges.reserve(static_cast<std::size_t>(inputs));
    wrong = Buffer<unsigned char>(allocator, 1, batch);
    weight_rows = Buffer<double>(allocator, 1, batch);
    noisy_loss = Buffer<double>(allocator, 1, batch);
    noisy_wrong = Buffer<unsigned char>(allocator, 1, batch);
    natural = Buffer<Index>(allocator, 1, batch);
    std::iota(natural.data(), natural.data() + batch, Index{0});
    loss = Buffer<double>(allocator, 1, batch);  // last: its size is the capacity
  }

  // Finds the ranges of active inputs. Gaps shorter than `merge` belong to them: zeros do no harm, and
  // long ranges fill the kernels' tiles.
  void find_active(Index inputs, Index merge) {
    ranges.clear();
    for (Index c = 0; c < inputs; ++c) {
      if (!active.data()[c]) continue;
      const auto at = static_cast<std::int32_t>(c);
      if (!ranges.empty() && c - ranges.back().end < merge &&
          ranges.back().begin / k_block == c / k_block) {
        ranges.back().end = at + 1;
      } else {
        ranges.push_back({at, at + 1});
      }
    }
  }

  void add_to(EpochResult& result) const {
    for (Index i = 0; i < n; ++i) {
      result.loss += loss.data()[i];
      result.wrong += wrong.data()[i];
      if (weight) result.missed += wrong.data()[i] * weight_rows.data()[i];
    }
    result.examples += n;
  }
};

}  // namespace fastfa

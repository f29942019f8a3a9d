// The batch under way: its inputs, gathered and aligned, and what came of each example.
#pragma once

#include <numeric>
#include <vector>

#include "core/buffer.h"
#include "fastfa/types.h"

namespace fastfa {

template <class T>
struct Batch {
  MatrixView<const T> x, y;  // the caller's arrays; y.data may be null
  const Index* order = nullptr;
  Index n = 0;

  Buffer<T> input;                    // (n, n_in)
  std::vector<unsigned char> active;  // per input: not zero in the whole batch
  std::vector<Run> runs;              // the active inputs
  std::vector<double> loss;           // per example
  std::vector<unsigned char> wrong;   // per example
  std::vector<double> noisy_loss;     // the same two for node perturbation's second pass
  std::vector<unsigned char> noisy_wrong;
  std::vector<Index> natural;  // 0, 1, 2, … for calls without an order
  Buffer<T> target;            // (n, n_out), gathered where a route asks for it
  std::vector<unsigned char> target_active;
  bool target_there = false;

  Index capacity() const { return static_cast<Index>(loss.size()); }

  void reserve(Index batch, Index inputs, Index outputs) {
    input = Buffer<T>(batch, inputs);
    target = Buffer<T>(batch, outputs);
    target_active.resize(static_cast<std::size_t>(outputs));
    active.resize(static_cast<std::size_t>(inputs));
    runs.reserve(static_cast<std::size_t>(inputs));
    wrong.resize(static_cast<std::size_t>(batch));
    noisy_loss.resize(static_cast<std::size_t>(batch));
    noisy_wrong.resize(static_cast<std::size_t>(batch));
    natural.resize(static_cast<std::size_t>(batch));
    std::iota(natural.begin(), natural.end(), Index{0});
    loss.resize(static_cast<std::size_t>(batch));  // last: its size is the capacity
  }

  // Runs of active inputs. Gaps shorter than `merge` are taken along: zeros do no harm, and long runs
  // fill the kernels' tiles.
  void find_runs(Index inputs, Index merge) {
    runs.clear();
    for (Index c = 0; c < inputs; ++c) {
      if (!active[static_cast<std::size_t>(c)]) continue;
      const auto at = static_cast<std::int32_t>(c);
      if (!runs.empty() && c - runs.back().end < merge && runs.back().begin / k_block == c / k_block) {
        runs.back().end = at + 1;
      } else {
        runs.push_back({at, at + 1});
      }
    }
  }

  void add_to(EpochResult& result) const {
    for (Index i = 0; i < n; ++i) {
      result.loss += loss[static_cast<std::size_t>(i)];
      result.wrong += wrong[static_cast<std::size_t>(i)];
    }
    result.examples += n;
  }
};

}  // namespace fastfa

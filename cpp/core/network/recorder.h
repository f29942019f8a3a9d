// The steps of an epoch without the host: one is recorded, and what differs from step to step is in
// ReplayState, which the device updates. The same operations in the same order as step() by step(), so
// the same bits.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "core/machine/replay_state.h"
#include "core/network/optimizers.h"
#include "core/network/range_checks.h"
#include "core/network/teaching.h"
#include "fastfa/network.h"

namespace fastfa {

template <class T>
class Recorder {
 public:
  using Impl = typename Network<T>::Impl;

  explicit Recorder(Impl& net) : net_(net) {}

  // Is a step the same operations each time, none of which the host has a part in?
  bool can_record() const;

  // `count` steps with the examples order[0 …), all batches whole. Buffers must be there: a step was
  // done before. False: it isn't worth it, and nothing was done.
  bool replay(const Optimizer& optimizer, const Index* order, Index count);

  // Must be called when something has changed that a recording depends on and key() doesn't show.
  void drop() { graph_ = nullptr; }

 private:
  std::vector<std::uintptr_t> key(const OptimizerStep<T>& change) const;
  void record(const Optimizer& optimizer);

  Impl& net_;
  std::shared_ptr<void> graph_;                       // null: there is none
  std::vector<std::uintptr_t> key_;                   // what it was made of
  std::vector<typename RangeChecks<T>::Site> sites_;  // its checks
  Buffer<Index> order_;                               // the batch under way
  Buffer<double> schedule_;                           // Learning::step and root of each step
  std::shared_ptr<void> memory_;                      // of state_
  ReplayState* state_ = nullptr;
};

}  // namespace fastfa

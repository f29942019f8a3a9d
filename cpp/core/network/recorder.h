// Records the operations of a step once; the device then repeats them for the next steps, and the host
// need not start each operation again. What differs from step to step is in ReplayState, which the
// device updates. The operations and their order are those of step(), so the results have the same bits.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "core/machine/replay_state.h"
#include "core/network/learning_rule.h"
#include "core/network/optimizers.h"
#include "core/network/range_checks.h"
#include "fastfa/network.h"

namespace fastfa {

template <class T>
class Recorder {
 public:
  using Impl = typename Network<T>::Impl;

  explicit Recorder(Impl& net) : net_(net) {}

  // Does each step consist of the same operations, all of them on the device, and differ in nothing but
  // what ReplayState has?
  bool can_record(const Optimizer& optimizer) const;

  // Does `count` steps with the examples order[0 …), all batches whole. A step must have been done
  // before, so that all buffers exist. Returns false if so few steps aren't worth a recording; then
  // nothing was done.
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

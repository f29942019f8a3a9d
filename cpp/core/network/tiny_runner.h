// Networks that are small enough to learn online within one core's cache: the kernels do the forward
// pass, the feedback or the update of all layers in one operation, or whole runs of steps. The
// mathematics is that of step(), which works layer by layer where these kernels can't.
#pragma once

#include <vector>

#include "core/layers/layers.h"
#include "core/network/batch.h"
#include "core/network/learning_rule.h"
#include "core/network/optimizers.h"
#include "core/network/range_checks.h"

namespace fastfa {

template <class T>
class TinyRunner {
 public:
  // All of these are the network's.
  TinyRunner(Backend<T>& backend, const NetworkSpec& spec, Layers<T>& layers,
             const LearningRule<T>& rule, const Batch<T>& batch, const RangeChecks<T>& checks)
      : backend_(backend), spec_(spec), layers_(layers), rule_(rule), batch_(batch), checks_(checks) {}

  // Must be called when the buffers of the batch or the feedback have been replaced.
  void forget_layout() { current_ = false; }

  // Can these kernels do the forward pass of this network, and whole steps with this optimizer?
  bool can_forward();
  bool can_step(const Optimizer& optimizer);

  // The parts of a step with one example. False: these kernels can't do it, or a value is out of range;
  // then it must be done layer by layer.
  bool forward();
  bool feedback();
  bool update(const OptimizerStep<T>& change);

  // Steps with the examples order[0 … n) of the batch's x and y, with sums added to `result`; returns
  // how many were done. They are fewer where a value of the next one is out of range.
  Index run(const OptimizerStep<T>& change, const Index* order, Index n, EpochResult& result);

  // For ensembles: the layers as the kernels take them. Also sets δ to zero in layers without feedback.
  const std::vector<TinyLayer<T>>& prepare();

 private:
  bool small_layers() const;
  bool small_feedback() const;
  bool holds() const;
  void lay_out();
  void clear_silent_deltas();
  TinyStep<T> whole_step() const;

  Backend<T>& backend_;
  const NetworkSpec& spec_;
  Layers<T>& layers_;
  const LearningRule<T>& rule_;
  const Batch<T>& batch_;
  const RangeChecks<T>& checks_;
  bool current_ = false;            // else the layout must be made anew
  bool forward_ = false;            // these kernels can do the forward pass
  bool feedback_ = false;           // and the feedback, and the update of plain SGD
  std::vector<TinyLayer<T>> tiny_;  // the layout; empty where the forward pass can't be done
};

}  // namespace fastfa

// A feed-forward network that learns from an error sent back through feedback matrices.
//
// Every call may run on the library's thread team, gives the same bits at any number of threads, and
// takes the network's own lock, so that calls from several threads follow one another.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "fastfa/export.h"
#include "fastfa/types.h"

namespace fastfa {

// Asked now and then during a long call; returning true ends it with Interrupted.
using Poll = std::function<bool()>;

template <class T>
class FASTFA_API Network {
 public:
  explicit Network(const NetworkSpec& spec);  // throws std::invalid_argument
  ~Network();
  Network(const Network&) = delete;
  Network& operator=(const Network&) = delete;

  int layers() const;  // weighted layers; hidden layers are one fewer
  std::int64_t inputs() const;
  std::int64_t units(int layer) const;
  std::int64_t steps() const;  // updates so far

  MatrixView<T> weights(int layer) const;  // (n_out, n_in)
  MatrixView<T> biases(int layer) const;   // (1, n_out); data is null without bias
  // B (n_l, n_source) where it is stored dense; data is null for transpose and zero. The memory lives
  // as long as `feedback_owner` of the same layer.
  MatrixView<T> feedback(int hidden) const;
  std::shared_ptr<void> feedback_owner(int hidden) const;
  double feedback_scale(int hidden) const;  // β or the standard deviation in use; 0 where there is none
  void set_feedback(const std::vector<FeedbackSpec>& feedback);  // throws before it changes anything

  void reset_momentum();  // velocities start again at zero

  // X (N, n_in) → outputs (N, n_out)
  void forward(MatrixView<const T> x, MatrixView<T> out, const Poll& poll = {});
  // X (N, n_in) → h of every layer, (N, n_l)
  void activations(MatrixView<const T> x, const std::vector<MatrixView<T>>& out, const Poll& poll = {});
  // δ of every layer, (N, n_l), per example; `feedback` replaces the network's own for this call
  void deltas(MatrixView<const T> x, MatrixView<const T> y, const std::vector<MatrixView<T>>& out,
              const std::vector<FeedbackSpec>* feedback = nullptr, const Poll& poll = {});
  EpochResult evaluate(MatrixView<const T> x, MatrixView<const T> y, const Poll& poll = {});

  // One update from the examples order[0 … n−1] of X, Y for each batch in turn. The last may be short.
  EpochResult train_epoch(MatrixView<const T> x, MatrixView<const T> y, const Sgd& optimizer,
                          std::int64_t batch_size, const std::int64_t* order, std::int64_t n,
                          const Poll& poll = {});

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace fastfa

// The network itself. step() is the paper's algorithm; the rest serves it.
#pragma once

#include <algorithm>
#include <atomic>
#include <limits>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "core/layers/layers.h"
#include "core/machine/backend.h"
#include "core/machine/float_mode.h"
#include "core/machine/fork.h"
#include "core/machine/thread_team.h"
#include "core/matrices/feedback.h"
#include "core/network/batch.h"
#include "core/network/range_checks.h"
#include "fastfa/network.h"

namespace fastfa {

// How a network is taught: by errors through feedback matrices, one for each hidden layer, or by node
// perturbation with noise of standard deviation `perturbation` > 0.
template <class T>
struct Teaching {
  std::vector<Feedback<T>> feedback;
  double perturbation = 0.0;
};

template <class T>
Teaching<T> make_teaching(Allocator& allocator, const std::vector<FeedbackSpec>& feedback,
                          double perturbation, const NetworkSpec& net);

// Deltas of the hidden layers that the instruments keep apart, with as many rows as the layers' own.
template <class T>
struct Probe {
  std::vector<Buffer<T>> own, bp, pbp;

  void reserve(Allocator& allocator, Index rows, const Layers<T>& layers) {
    if (!own.empty() && own[0].rows() == rows) return;
    own.clear();  // filled last, so that it tells whether all are there
    for (std::vector<Buffer<T>>* set : {&bp, &pbp, &own}) {
      std::vector<Buffer<T>> made;
      for (std::size_t l = 0; l + 1 < layers.size(); ++l)
        made.emplace_back(allocator, rows, layers[l].n_out);
      *set = std::move(made);
    }
  }
};

// How a network that is small enough is laid out for the kernels that do it as a whole.
template <class T>
struct TinyLayout {
  bool current = false;   // else it must be made anew
  bool forward = false;   // those kernels can do the forward pass
  bool feedback = false;  // and the feedback, and the update of plain SGD
  std::vector<TinyLayer<T>> layers;
};

// How far a step in parts has come. From the forward pass on, its activations and deltas are kept for
// whoever asks, until the network learns in another way.
enum class Stage : int { none, forward, feedback, done };

// What the kernels need to know of an optimizer for one step.
template <class T>
struct OptimizerStep {
  Memory memory;
  Learning<T> learning;

  // Does a weight move where its gradient is zero?
  bool moves_anyway() const { return memory != Memory::none || learning.decay != 0; }
};

template <class T>
class Network<T>::Impl final : public ForkListener {
 public:
  explicit Impl(const NetworkSpec& spec);

  // Updates from the examples order[0 … n) of X, Y, a batch at a time. Sums are added to `result`, but
  // for those of the weights themselves.
  void train(MatrixView<const T> x, MatrixView<const T> y, const Optimizer& optimizer, Index batch_size,
             const Index* order, Index n, const Poll& poll, EpochResult& result, const T* sample_weight);
  void check_training(MatrixView<const T> x, MatrixView<const T> y, const Optimizer& optimizer,
                      Index batch_size, const Index* order, Index n, const T* sample_weight) const;
  void ready(const Optimizer& optimizer, Index batch);  // memory for such training

  // One update from `batch`, unless `poll` says stop before it.
  void step(Batch<T>& batch, const Optimizer& optimizer, const Poll& poll);
  void finish(Batch<T>& batch, const Optimizer& optimizer);  // of a step: what its deltas change

  void forward(Batch<T>& batch);                 // h_l = σ(W_l h_{l−1} + b_l)
  void error(Batch<T>& batch, bool with_delta);  // y, e = y* − y, δ_L
  // δ of every layer from `lowest` up; row0: how many examples of the same call came before
  void teach(Teaching<T>& how, Batch<T>& batch, int lowest, Index row0 = 0);
  void feedback(std::vector<Feedback<T>>& how, Batch<T>& batch, int lowest);  // δ_l = (B_l δ) ∘ σ′(a_l)
  void perturb(double sigma, Batch<T>& batch, Index row0);                    // δ_l = −(L′ − L) ξ_l / σ²
  void update(Batch<T>& batch, const OptimizerStep<T>& change);               // W_l ← W_l + v_l
  void learn_feedback(Batch<T>& batch, const OptimizerStep<T>& change);       // Kolen–Pollack
  void mirror(Index n);                                                       // weight mirror

  // One example through a small network, and whole runs of steps, in tiny.cpp.
  bool is_small() const;
  bool has_small_feedback() const;
  bool is_tiny(const Optimizer& optimizer);
  bool tiny_holds() const;
  const TinyLayout<T>& tiny_layout();
  void silence_tiny();
  TinyStep<T> tiny_step() const;
  bool forward_tiny(Index n);
  bool feedback_tiny(Index n);
  bool update_tiny(Index n, const OptimizerStep<T>& change);
  Index run_tiny(const Optimizer& optimizer, const Index* order, Index n, EpochResult& result);

  // A step in parts, in stepwise.cpp.
  void forward_step(MatrixView<const T> x, MatrixView<T> out);
  void feedback_step(MatrixView<const T> e, MatrixView<const T> target);
  void update_step(const Optimizer& optimizer);
  void check_error(const char* call, const MatrixView<const T>& e,
                   const MatrixView<const T>& target) const;
  void exchange();  // the buffers of a pass with the spare ones

  // Steps that a device does again and again without the host, in recorded.cpp.
  bool may_record() const;
  std::vector<std::uintptr_t> recording_key(const OptimizerStep<T>& change) const;
  void record(const Optimizer& optimizer);
  bool replay(const Optimizer& optimizer, const Index* order, Index count);
  void drop_recording() { recorded_.graph = nullptr; }

  // Plain SGD with few examples may leave each update to the next forward pass: nothing that is done in
  // between looks at the weights.
  bool can_defer(const Optimizer& optimizer) const;
  void catch_up();

  // Before teach(): prepares each matrix that follows the weights or is drawn anew.
  void prepare(Teaching<T>& how);

  // to (n, cols) = what dropout at this step leaves of `from`; layer −1 is the input
  void drop(int layer, double rate, bool scaled, const Buffer<T>& from, const Buffer<T>& to, Index n);

  OptimizerStep<T> optimizer_step(const Optimizer& optimizer, Index n);
  Scene<T> scene(std::size_t hidden) { return {*backend_, &layers_[hidden + 1], steps_}; }
  const Layer<T>& source_layer(Route route, std::size_t hidden) const {
    return route == Route::layerwise ? layers_[hidden + 1] : layers_.back();
  }
  // δ_source (n, n_source) of a hidden layer, for its own B.
  FeedbackProduct<T> feedback_product(const Feedback<T>& f, std::size_t hidden, const Batch<T>& batch);

  std::vector<LayerAlignment> alignment(MatrixView<const T> x, MatrixView<const T> y,
                                        const AlignmentChoice& choice, const Poll& poll);

  void in_child() override;
  void check_usable() const;   // throws ForkedWithin where lost_
  void check_reentry() const;  // the same, and where this thread would wait for itself
  void reserve(Index batch);
  void reserve_memory(Memory memory);
  void reset_memory();
  int lowest_trainable() const;
  void check_data(const char* call, const MatrixView<const T>& x, const MatrixView<const T>* y) const;
  MatrixView<const T> lend(int slot, MatrixView<const T> from);
  const T* lend_weights(int slot, const T* sample_weight, Index n);
  void set_batch(MatrixView<const T> x, MatrixView<const T> y, Index first, Index n,
                 const T* sample_weight = nullptr);
  // The same as copy_rows(), by the device if it reaches `to`, else by the host.
  void give(const Buffer<T>& from, Index n, MatrixView<T> to, Index first);

  // Calls visit(first row, rows) with the forward pass of those rows done.
  template <class Visit>
  void in_blocks(MatrixView<const T> x, MatrixView<const T> y, const Poll& poll, Visit&& visit,
                 const T* sample_weight = nullptr);

  NetworkSpec spec_;
  std::unique_ptr<Backend<T>> backend_;
  Layers<T> layers_;
  Teaching<T> teaching_;
  Batch<T> batch_;
  TinyLayout<T> tiny_;
  Stage stage_ = Stage::none;
  std::vector<Pass<T>> spare_;  // of each layer, for calls that look while a pass is kept
  Batch<T> spare_batch_;
  Probe<T> probe_;
  std::vector<ColumnRange> all_inputs_;
  Buffer<T> partial_;  // of one-row products
  Counter steps_;
  Memory memory_ = Memory::none;
  std::int64_t adam_steps_ = 0;
  RangeChecks<T> checks_{*backend_, steps_, adam_steps_};
  bool learning_ = false;                  // within a step: there is dropout
  bool deferring_ = false;                 // updates wait for the next forward pass
  std::mutex mutex_;                       // held during a call that works with the network
  std::mutex teaching_mutex_;              // held briefly where teaching_ is looked at or replaced
  std::atomic<std::thread::id> holder_{};  // of mutex_
  std::atomic<std::uintptr_t> stream_{0};  // of the backend
  bool together_ = false;                  // held for an ensemble
  bool lost_ = false;  // forked at a bad moment; or on a device, which can't be forked

 private:
  struct Recorded {
    std::shared_ptr<void> graph;                       // null: there is none
    std::vector<std::uintptr_t> key;                   // what it was made of
    std::vector<typename RangeChecks<T>::Site> sites;  // its checks
    Buffer<Index> order;                               // the batch under way
    Buffer<double> schedule;
    std::shared_ptr<void> memory;  // of state
    ReplayState* state = nullptr;
  };
  Recorded recorded_;
};

// While it lives, the layers have spare buffers if the pass of a step in parts is kept in the usual
// ones: for calls that look without learning.
template <class Impl>
class SpareBuffers {
 public:
  explicit SpareBuffers(Impl& impl) : impl_(impl.stage_ == Stage::none ? nullptr : &impl) {
    if (impl_) impl_->exchange();
  }
  ~SpareBuffers() {
    if (impl_) impl_->exchange();
  }
  SpareBuffers(const SpareBuffers&) = delete;
  SpareBuffers& operator=(const SpareBuffers&) = delete;

 private:
  Impl* impl_;
};

// Makes means of the sums that examples order[0 … n) have left in `result`, all of them on top of
// `before`; order null: 0 … n − 1. Returns all sums.
template <class T>
EpochSums conclude(EpochResult& result, const EpochSums& before, const T* sample_weight,
                   const Index* order, Index n) {
  EpochSums sums{result.loss, result.missed, before.weight};
  result.weight = 0;
  for (Index i = 0; sample_weight && i < n; ++i) {
    const auto weight = static_cast<double>(sample_weight[order ? order[i] : i]);
    result.weight += weight;
    sums.weight += weight;
  }
  if (sample_weight) {
    result.missed -= before.missed;
  } else {
    result.missed = static_cast<double>(result.wrong);
    result.weight = static_cast<double>(result.examples);
    sums.missed = before.missed + result.missed;
    sums.weight = before.weight + result.weight;
  }
  const double loss = result.loss - before.loss;
  result.loss = result.weight > 0 ? loss / result.weight : std::numeric_limits<double>::quiet_NaN();
  return sums;
}

inline Memory memory_of(const Optimizer& optimizer) {
  const Sgd* sgd = std::get_if<Sgd>(&optimizer);
  return !sgd ? Memory::adam : sgd->momentum != 0 ? Memory::velocity : Memory::none;
}

// Rows of a buffer to rows first … of the caller's matrix, by the host.
template <class T>
void copy_rows(const Buffer<T>& from, Index n, MatrixView<T> to, Index first) {
  for (Index r = 0; r < n; ++r) {
    for (Index c = 0; c < to.cols; ++c) to(first + r, c) = from.row(r)[c];
  }
}

// Its flag is true while it lives.
class FlagGuard {
 public:
  explicit FlagGuard(bool& flag) : flag_(flag) { flag_ = true; }
  ~FlagGuard() { flag_ = false; }
  FlagGuard(const FlagGuard&) = delete;
  FlagGuard& operator=(const FlagGuard&) = delete;

 private:
  bool& flag_;
};

// Storage is the transpose of what is shown.
template <class T>
MatrixView<T> transposed(const Buffer<T>& b) {
  return {b.data(), b.cols(), b.rows(), 1, b.ld()};
}

// What belongs to a B that is state, as B is shown: (n_l, n_source), or as the weights of a local layer.
template <class T>
OwnedWeights<T> shown(const Feedback<T>& f, const Buffer<T>& b, const Layer<T>& above) {
  if (!b) return {};
  if (f.matrix->stored()) return {{b.data(), {b.cols(), b.rows()}, {1, b.ld()}}, b.owner()};
  return {above.pattern->view(b), b.owner()};
}

inline bool asks_to_stop(const Poll& poll) {
  if (!poll) return false;
  const KeepSubnormals plain;
  return poll();
}

template <class T>
template <class Visit>
void Network<T>::Impl::in_blocks(MatrixView<const T> x, MatrixView<const T> y, const Poll& poll,
                                 Visit&& visit, const T* sample_weight) {
  const Index block_rows = backend_->block_rows();
  reserve(std::min(x.rows, block_rows));
  for (Index first = 0; first < x.rows; first += block_rows) {
    if (asks_to_stop(poll)) throw Interrupted();
    set_batch(x, y, first, std::min(block_rows, x.rows - first), sample_weight);
    forward(batch_);
    visit(first, batch_.n);
  }
}

// The networks that an ensemble holds while this thread, whichever of the team's, trains some of them.
inline thread_local const std::vector<const void*>* held_together = nullptr;

// Holds the network and its backend for one call.
template <class T>
class Session {
 public:
  template <class Impl>
  explicit Session(Impl& impl, bool alone = false)
      : lock_((impl.check_reentry(), impl.mutex_)),
        holder_(impl.holder_),
        together_(impl.together_),
        backend_(*impl.backend_) {
    backend_.begin(alone);
    together_ = alone;
    impl.checks_.forget();
    holder_ = std::this_thread::get_id();
  }
  ~Session() {
    holder_ = std::thread::id();
    backend_.end();
  }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

 private:
  std::lock_guard<std::mutex> lock_;
  std::atomic<std::thread::id>& holder_;
  bool& together_;
  FlushSubnormals flush_;
  Backend<T>& backend_;
};

}  // namespace fastfa

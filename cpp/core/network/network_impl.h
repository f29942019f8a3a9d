// The network itself. step() is the paper's algorithm; the rest serves it.
#pragma once

#include <algorithm>
#include <atomic>
#include <limits>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "core/layers/layers.h"
#include "core/layers/recurrent.h"
#include "core/machine/backend.h"
#include "core/machine/float_mode.h"
#include "core/machine/fork.h"
#include "core/machine/thread_team.h"
#include "core/network/recorder.h"
#include "core/network/staged_pass.h"
#include "core/network/tiny_runner.h"
#include "fastfa/network.h"

namespace fastfa {

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

struct Pace;

template <class T>
class Network<T>::Impl final : public ForkListener {
 public:
  explicit Impl(const NetworkSpec& spec);

  // Updates from the examples order[0 … n) of X, Y, a batch at a time. Adds losses and errors to
  // `result`; conclude() makes means of them.
  void train(MatrixView<const T> x, MatrixView<const T> y, const Optimizer& optimizer, Index batch_size,
             const Index* order, Index n, const Poll& poll, EpochResult& result, const T* sample_weight);
  void check_training(MatrixView<const T> x, MatrixView<const T> y, const Optimizer& optimizer,
                      Index batch_size, const Index* order, Index n, const T* sample_weight) const;
  void ready(const Optimizer& optimizer, Index batch);  // memory for such training

  // One update from `batch`, unless `poll` says stop before it.
  void step(Batch<T>& batch, const Optimizer& optimizer, const Poll& poll);
  void finish(Batch<T>& batch, const Optimizer& optimizer);  // its last part: weights and B learn

  void gather(Batch<T>& batch);                  // h_0
  void forward(Batch<T>& batch);                 // h_l = σ(W_l h_{l−1} + b_l)
  void activate(std::size_t l, Index n);         // h ← σ(h) and σ′, where that is kept
  void error(Batch<T>& batch, bool with_delta);  // y, e = y* − y, δ_L
  // δ of every layer from `lowest` up; row0: how many examples of the same call came before
  void compute_deltas(LearningRule<T>& rule, Batch<T>& batch, int lowest, Index row0 = 0);
  void feedback(std::vector<Feedback<T>>& of, Batch<T>& batch, int lowest);  // δ_l = (B_l δ) ∘ σ′(a_l)
  void perturb(const Perturbation& by, Batch<T>& batch, Index row0);         // δ_l = −(L′ − L) ξ_l / σ²
  void update(Batch<T>& batch, const OptimizerStep<T>& change);              // W_l ← W_l + v_l
  void learn_feedback(Batch<T>& batch, const OptimizerStep<T>& change);      // Kolen–Pollack
  template <class Learn>
  void learn_b(Feedback<T>& f, const OptimizerStep<T>& change, const Learning<T>& learning,
               const Learn& learn);  // learn(learning, parameters) writes there
  // update() with limited gradients, in limits.cpp; `change` is what is left of the step for others.
  void update_within_limits(Batch<T>& batch, OptimizerStep<T>& change);
  double squares_of(const Buffer<T>& g);
  void reserve_gradients(const Optimizer& optimizer);
  void clear(const Parameters<T>& gradient);
  void apply_gradient(const OptimizerStep<T>& change, const Learning<T>& learning,
                      const Parameters<T>& gradient, const Parameters<T>& to);
  void mirror(Index n);  // weight mirror

  // A step in parts, in stepwise.cpp.
  void forward_step(MatrixView<const T> x, MatrixView<T> out);
  void feedback_step(MatrixView<const T> e, MatrixView<const T> target);
  void update_step(const Optimizer& optimizer);
  void check_error(const char* call, const MatrixView<const T>& e,
                   const MatrixView<const T>& target) const;

  // Sequences, in runs/sequences.cpp.
  void train_sequences(MatrixView<const T> x, MatrixView<const T> y, const SequencePlan& plan,
                       const Optimizer& optimizer, const Poll& poll, const T* weight,
                       EpochResult& result);
  // Both refuse what isn't right; the second looks at rule and state, and so within a session.
  void check_training_in_time(MatrixView<const T> x, MatrixView<const T> y, const SequencePlan& plan,
                              const Optimizer& optimizer, const T* weight) const;
  void check_now(const SequencePlan& plan) const;
  const char* recurrent_feedback_name() const;
  // Refuses a layer below the recurrent one that would learn from its d, which nobody knows online.
  void check_online(const char* call) const;
  void conclude_sequences(EpochResult& result, const SequencePlan& plan, const T* weight) const;
  // At which of batch_'s steps a layer (−1: the input) went out of range; −1 if its numbers don't say.
  Index time_of(int layer, Index times) const;
  void learn_whole(const Optimizer& optimizer);  // one update from batch_
  void scan_back(Index n);                       // δ of the recurrent layer: from B e to d
  OwnedMatrix<T> recurrent_feedback_array();     // B_rec, written out
  FeedbackContext<T> time_context() { return {*backend_, recurrent_, steps_, recurrent_->heard()}; }
  typename RecurrentLayer<T>::Carry carry_in_time();  // by B_rec
  // t: the step of the sequences that it is at
  void learn_online(const SequencePlan& plan, const Index* rows, Index examples,
                    const Optimizer& optimizer, Pace& pace, Index& t, EpochResult& result);
  bool can_run(const Optimizer& optimizer);
  void begin_state(Index examples);  // of forward_step(): the state goes on, or begins with zero
  Index run(const Optimizer& optimizer, const Index* rows, Index steps, EpochResult& result);
  void check_sequences(const char* call, MatrixView<const T> x, const MatrixView<const T>* y,
                       Index times) const;
  void check_no_recurrent(const char* call) const;
  // Calls visit(first sequence, sequences) with the forward pass of these from a state of zero done.
  template <class Visit>
  void in_sequences(MatrixView<const T> x, MatrixView<const T> y, Index times, const Poll& poll,
                    const T* weight, Visit&& visit);

  // Are the kernels of tiny networks tried first in each part of this step?
  bool tries_tiny(const Batch<T>& batch) const {
    return learning_ && batch.n == 1 && backend_->immediate();
  }
  // May each update be left to the next forward pass? With plain SGD and few examples, if nothing looks
  // at the weights in between.
  bool can_defer(const Optimizer& optimizer);
  void catch_up();

  // Called before compute_deltas(), for matrices that follow the weights or are drawn anew.
  void prepare(LearningRule<T>& rule);

  // to (n, cols) = what dropout at this step leaves of `from`; layer −1 is the input
  void drop(int layer, double rate, bool scaled, const Buffer<T>& from, const Buffer<T>& to, Index n);

  OptimizerStep<T> optimizer_step(const Optimizer& optimizer, Index n);
  // How many hidden layers with weights have a B: none if the network learns by node perturbation. In
  // the calls below, i is the number of such a layer. If there is a recurrent layer, the number after
  // the last one stands for B_rec.
  std::size_t fed() const { return rule_.feedback.empty() ? 0 : layers_.weighted() - 1; }
  bool is_b_rec(std::size_t i) const { return recurrent_ && i + 1 == layers_.weighted(); }
  Feedback<T>& own_feedback(std::size_t i) {
    if (is_b_rec(i)) return b_rec_;
    const std::size_t at = layers_.landing(i);
    if (at < rule_.feedback.size()) return rule_.feedback[at];
    throw std::out_of_range("[Network] hidden layer " + std::to_string(i) +
                            " has no feedback matrix, or none any more");
  }
  const Layer<T>& layer_above(std::size_t i) const {
    return is_b_rec(i) ? *recurrent_ : layers_.with_weights(i + 1);
  }
  // Is B_rec state, because it learns?
  bool learns_in_time() const { return b_rec_.spec.plasticity != Plasticity::fixed; }
  // Visits every B that there is, and B_rec.
  template <class Visit>
  void for_feedback(Visit&& visit) {
    for (Feedback<T>& f : rule_.feedback) visit(f);
    if (recurrent_) visit(b_rec_);
  }

  FeedbackContext<T> feedback_context(std::size_t hidden) {
    return {*backend_, &layers_[hidden + 1], steps_, layers_[hidden + 1].w};
  }
  const Layer<T>& source_layer(Route route, std::size_t hidden) const {
    return route == Route::layerwise ? layers_[hidden + 1] : layers_.back();
  }
  // Does no error come from there? Online nobody knows d of a recurrent layer, which depends on errors
  // to come: it learns by traces, and the layers below get nothing from it.
  bool is_silent(const Layer<T>& source) const {
    return source.delta_zero || (&source == recurrent_ && recurrent_->is_online());
  }
  // Packs, in packs.cpp. δ_source (n, n_source) of a hidden layer, for its own B:
  FeedbackProduct<T> feedback_product(const Feedback<T>& f, std::size_t hidden, const Batch<T>& batch);
  Output<T> output_of(const Batch<T>& batch, const Buffer<T>& a);
  Draw<T> noise_of(std::size_t l, Purpose purpose, Index n);  // to δ_l, for n examples

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
  MatrixView<const T> readable(int slot, MatrixView<const T> from);
  const T* readable_weights(int slot, const T* sample_weight, Index n);
  void set_batch(MatrixView<const T> x, MatrixView<const T> y, Index first, Index n,
                 const T* sample_weight = nullptr);
  // Copies rows of a buffer to rows first … of the caller's matrix. The device does so if it reaches
  // `to`, else the host.
  void copy_out(const Buffer<T>& from, Index n, MatrixView<T> to, Index first);

  // Calls visit(first row, rows) with the forward pass of those rows done.
  template <class Visit>
  void in_blocks(MatrixView<const T> x, MatrixView<const T> y, const Poll& poll, Visit&& visit,
                 const T* sample_weight = nullptr);

  NetworkSpec spec_;
  std::unique_ptr<Backend<T>> backend_;
  Layers<T> layers_;
  RecurrentLayer<T>* recurrent_ = nullptr;  // null: there is none
  std::size_t recurrent_at_ = 0;            // its place
  LearningRule<T> rule_;
  Feedback<T> b_rec_;               // of the recurrent layer
  Feedback<T>* in_time_ = &b_rec_;  // that in use: an instrument may have another
  Batch<T> batch_;
  StagedPass<T> pass_{layers_, batch_};
  Probe<T> probe_;
  std::vector<ColumnRange> all_inputs_;
  Buffer<T> partial_;                     // of one-row products
  std::vector<Parameters<T>> gradients_;  // of the layers, where they are limited
  Buffer<double> squares_;                // of their rows
  Counter steps_;
  Memory memory_ = Memory::none;
  std::int64_t adam_steps_ = 0;
  RangeChecks<T> checks_{*backend_, steps_, adam_steps_};
  TinyRunner<T> tiny_{*backend_, spec_, layers_, rule_, batch_, checks_};
  Recorder<T> recorder_{*this};
  bool learning_ = false;                  // within a step: there is dropout
  bool deferring_ = false;                 // updates wait for the next forward pass
  std::mutex mutex_;                       // held during a call that works with the network
  std::mutex rule_mutex_;                  // held briefly where rule_ is looked at or replaced
  std::atomic<std::thread::id> holder_{};  // of mutex_
  std::atomic<std::uintptr_t> stream_{0};  // of the backend
  bool together_ = false;                  // held by a call that trains an ensemble
  bool lost_ = false;  // in a forked child that can't use it: it may be half changed, or on a device
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

// Asks `poll` after every so many steps.
struct Pace {
  const Poll& poll;
  Index every, since = 0;

  void after(Index steps) {
    since += steps;
    if (since < every) return;
    since = 0;
    if (asks_to_stop(poll)) throw Interrupted();
  }
};

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

// Its place has another value while it lives.
template <class V>
class ExchangeGuard {
 public:
  ExchangeGuard(V& place, V value) : place_(place), before_(std::exchange(place, value)) {}
  ~ExchangeGuard() { place_ = before_; }
  ExchangeGuard(const ExchangeGuard&) = delete;
  ExchangeGuard& operator=(const ExchangeGuard&) = delete;

 private:
  V& place_;
  const V before_;
};

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

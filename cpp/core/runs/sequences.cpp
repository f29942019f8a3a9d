// Learning from sequences, of networks with a recurrent layer. A batch of sequences is a batch of rows,
// with rows of the same time side by side. So all other layers, and the products over time, work as they
// do for any other batch.
#include "core/runs/sequences.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "core/network/checks.h"
#include "core/network/network_impl.h"
#include "fastfa/names.h"

namespace fastfa {
namespace {

// Steps of each sequence that an update learns from.
Index at_once(const SequencePlan& plan) {
  if (plan.update == TimeUpdate::step) return 1;
  return plan.update == TimeUpdate::window ? std::min(plan.window, plan.times) : plan.times;
}

}  // namespace

template <class T>
void Network<T>::Impl::check_no_recurrent(const char* call) const {
  if (std::string(call) == "forward_step") return;
  refuse("[" + std::string(call) +
         "] the network has a recurrent layer, which lives in time; use train_sequences(), "
         "forward_sequences(), evaluate_sequences() or forward_step()");
}

template <class T>
void Network<T>::Impl::check_sequences(const char* call, MatrixView<const T> x,
                                       const MatrixView<const T>* y, Index times) const {
  const std::string where = "[" + std::string(call) + "] ";
  if (!recurrent_) refuse(where + "the network has no recurrent layer; it must have one");
  check_matrix(call, "X", x, x.rows, spec_.inputs);
  if (y) check_matrix(call, "Y", *y, x.rows, layers_.back().n_out);
  if (times < 1 || x.rows < 1 || x.rows % times != 0) {
    refuse(where + "times was " + std::to_string(times) + "; X has " + std::to_string(x.rows) +
           " rows, which must be a multiple of it, and at least one");
  }
}

template <class T>
Index Network<T>::Impl::time_of(int layer, Index times) const {
  if (times == 1) return 0;
  const Layer<T>* const at =
      layer < 0 ? nullptr : &layers_.with_weights(static_cast<std::size_t>(layer));
  if (at == recurrent_ && recurrent_->stopped() >= 0) return recurrent_->stopped();
  for (const Buffer<T>& b : {at ? at->h : batch_.input, at ? at->delta : batch_.input}) {
    for (Index r = 0; r < batch_.n; ++r) {
      const T* const row = b.row(r);
      const bool within = std::all_of(row, row + b.cols(), [](T value) {
        return std::abs(value) <= static_cast<T>(value_limit<T>);
      });
      if (!within) return r / (batch_.n / times);
    }
  }
  return -1;
}

// The state goes on, or begins with zero.
template <class T>
void Network<T>::Impl::begin_state(Index examples) {
  if (recurrent_->examples() == 0) recurrent_->begin(*backend_, examples);
  if (recurrent_->examples() == examples) return recurrent_->begin_traces(*backend_);
  refuse("[forward_step] x has " + std::to_string(examples) + " rows; the network's state is that of " +
         std::to_string(recurrent_->examples()) + " examples: call reset() first");
}

template <class T>
void Network<T>::Impl::learn_whole(const Optimizer& optimizer) {
  const FlagGuard now(learning_);
  prepare(rule_);
  forward(batch_);
  compute_deltas(rule_, batch_, lowest_trainable());
  finish(batch_, optimizer);
}

template <class T>
typename RecurrentLayer<T>::Carry Network<T>::Impl::carry_in_time() {
  const Feedback<T>& b = *in_time_;
  if (b.spec.matrix == Matrix::transpose) return recurrent_->carry_by_transpose(*backend_);
  if (!b.matrix) return {};
  return [&, context = time_context()](const FeedbackProduct<T>& product) {
    b.matrix->propagate(product, context);
  };
}

template <class T>
void Network<T>::Impl::scan_back(Index n) {
  recurrent_->scan_back(*backend_, n, carry_in_time(), partial_.data(), checks_.bad());
  checks_.check(layers_.number(recurrent_at_), "a delta");
}

// Does one operation do whole runs of online steps? One example, a readout, plain SGD, B in memory or
// Wᵀ.
template <class T>
bool Network<T>::Impl::can_run(const Optimizer& optimizer) {
  if (!recurrent_->is_small() || layers_.size() != 2) return false;
  if (memory_of(optimizer) != Memory::none || limits_gradients(optimizer)) return false;
  const Feedback<T>& f = rule_.feedback[0];
  if (!f.matrix) return true;
  if (f.spec.plasticity != Plasticity::fixed || f.spec.route == Route::target) return false;
  return f.spec.matrix == Matrix::transpose || f.matrix->stored();
}

template <class T>
Index Network<T>::Impl::run(const Optimizer& optimizer, const Index* rows, Index steps,
                            EpochResult& result) {
  const OptimizerStep<T> change = step_of<T>(optimizer, 1, adam_steps_);
  const Feedback<T>& f = rule_.feedback[0];
  Layer<T>& top = layers_[1];
  recurrent_->settle(*backend_);
  RecurrentRun<T> pack{};
  recurrent_->lay_out(change.of(spec_.layers[0]), pack);
  if (f.matrix && spec_.layers[0].trainable) {
    pack.transposed = f.spec.matrix == Matrix::transpose;
    pack.b = pack.transposed ? top.w : f.matrix->stored();
  }
  const Learning<T> own = change.of(top.spec);
  pack.w_out = top.w;
  pack.bias_out = top.bias.data();
  pack.outputs = top.n_out;
  pack.output_activation = top.sigma;
  pack.loss = spec_.loss;
  pack.readout_learns = top.spec.trainable;
  pack.out_rate = own.rate;
  pack.out_decay = own.decay;
  pack.out_bias_rate = own.bias_rate;
  pack.out_bias_decay = own.bias_decay;
  pack.y_row = top.h.data();
  pack.delta_row = top.delta.data();
  pack.x = rows_of(batch_.x);
  pack.y = rows_of(batch_.y);
  pack.order = rows;
  pack.steps = steps;
  pack.weight = batch_.weight;
  Index wrong = 0, done = 0;
  pack.loss_sum = &result.loss;
  pack.wrong = &wrong;
  pack.missed = &result.missed;
  pack.done = &done;
  backend_->recurrent_run(pack);
  for (Index s = std::max(Index{0}, done - recurrent_->input_delay()); s < done; ++s) {
    recurrent_->remember(*backend_, pack.x.from(rows[s]), 1);
  }
  result.wrong += wrong;
  result.examples += done;
  steps_ += done;
  return done;
}

template <class T>
void Network<T>::Impl::learn_online(const SequencePlan& plan, const Index* rows, Index examples,
                                    const Optimizer& optimizer, Pace& pace, Index& t,
                                    EpochResult& result) {
  recurrent_->go(RecurrentLayer<T>::Way::online, 1);
  const bool runs = examples == 1 && can_run(optimizer);
  const Poll never;
  for (t = 0; t < plan.times;) {
    if (runs) {
      const Index wanted = std::min(pace.every, plan.times - t);
      const Index done = run(optimizer, rows + t, wanted, result);
      t += done;
      pace.after(done);
      if (done == wanted) continue;
    }
    batch_.n = examples;
    batch_.order = rows + t * examples;
    step(batch_, optimizer, never);
    batch_.add_to(result);
    ++t;
    pace.after(1);
  }
}

template <class T>
void Network<T>::Impl::train_sequences(MatrixView<const T> x, MatrixView<const T> y,
                                       const SequencePlan& plan, const Optimizer& optimizer,
                                       const Poll& poll, const T* weight, EpochResult& result) {
  const bool online = plan.update == TimeUpdate::step;
  const Index most = std::min(plan.batch_size, plan.n), times = at_once(plan);
  ready(optimizer, most * times);
  batch_.x = x;
  batch_.y = y;
  batch_.weight = weight;
  const auto bytes = static_cast<double>(recurrent_->w.bytes()) * static_cast<double>(most);
  Pace pace{poll, std::max(Index{1}, static_cast<Index>(2e8 / (bytes + 1e4)))};
  std::vector<Index> rows;
  Index t = 0, steps = 1;  // of the sequences, what is learned from now
  const WhenGuard<T> when(checks_, [&](int layer) {
    const Index within = time_of(layer, steps);
    return within < 0 ? within : t + within;
  });
  for (Index at = 0; at < plan.n; at += most) {
    const Index examples = std::min(most, plan.n - at);
    if (!plan.carry || recurrent_->examples() == 0) recurrent_->begin(*backend_, examples);
    fill_rows(rows, plan.order, at, examples, plan.times);
    if (online) {
      recurrent_->begin_traces(*backend_);
      learn_online(plan, rows.data(), examples, optimizer, pace, t, result);
      continue;
    }
    for (t = 0; t < plan.times; t += times) {
      steps = std::min(times, plan.times - t);
      recurrent_->go(RecurrentLayer<T>::Way::sequence, steps);
      batch_.n = examples * steps;
      batch_.order = rows.data() + t * examples;
      learn_whole(optimizer);
      batch_.add_to(result);
      pace.after(steps);
    }
  }
  batch_.x = batch_.y = {};
}

template <class T>
void Network<T>::Impl::check_training_in_time(MatrixView<const T> x, MatrixView<const T> y,
                                              const SequencePlan& plan, const Optimizer& optimizer,
                                              const T* weight) const {
  const std::string where = "[train_sequences] ";
  check_sequences("train_sequences", x, &y, plan.times);
  if (plan.batch_size < 1) {
    refuse(where + "batch_size was " + std::to_string(plan.batch_size) + "; it must be positive");
  }
  const Index sequences = x.rows / plan.times;
  for (Index i = 0; i < plan.n; ++i) {
    if (plan.order[i] >= 0 && plan.order[i] < sequences) continue;
    refuse(where + "order[" + std::to_string(i) + "] was " + std::to_string(plan.order[i]) +
           "; it must be in 0 … " + std::to_string(sequences - 1));
  }
  if (plan.update != TimeUpdate::window ? plan.window != 0 : plan.window < 1) {
    refuse(where + "window was " + std::to_string(plan.window) + " with update '" + name(plan.update) +
           "'; it must be " + (plan.update == TimeUpdate::window ? "positive" : "0"));
  }
  const Index most = std::min(plan.batch_size, plan.n);
  const bool online = plan.update == TimeUpdate::step;
  check_optimizer(optimizer, size_product(where + "a batch has", {most, at_once(plan)}), spec_.layers);
  check_weights("train_sequences", weight, static_cast<const Index*>(nullptr), x.rows);
  if (online && b_rec_.spec.matrix != Matrix::zero) {
    refuse(where + "update was 'step' with recurrent_feedback '" + recurrent_feedback_name() +
           "', which needs whole sequences; it must be 'sequence'");
  }
  if (plan.carry && most != plan.n) {
    refuse(where + "carry was true with " + std::to_string(plan.n) + " sequences in batches of " +
           std::to_string(plan.batch_size) + "; they must be one batch");
  }
}

template <class T>
const char* Network<T>::Impl::recurrent_feedback_name() const {
  const RecurrentSpec& own = recurrent_->spec.recurrent;
  return own.matrix ? name(own.matrix->matrix) : name(own.feedback);
}

template <class T>
void Network<T>::Impl::check_online(const char* call) const {
  bool silent = true;  // does no error come from the layer above?
  for (std::size_t l = recurrent_at_; l-- > 0;) {
    const Feedback<T>& f = rule_.feedback[l];
    silent = f.matrix && f.spec.route == Route::layerwise && silent;
    if (!silent || !layers_[l].spec.trainable || layers_[l].pattern->count() == 0) continue;
    const std::string which = std::to_string(layers_.number(l));
    refuse(
        "[" + std::string(call) + "] layers[" + which +
        "] learns from what the recurrent layer above it sends down, which needs whole sequences; with "
        "updates at every step it must have feedback of route 'direct', or be frozen");
  }
}

template <class T>
void Network<T>::Impl::check_now(const SequencePlan& plan) const {
  if (plan.update == TimeUpdate::step) check_online("train_sequences");
  const Index kept = recurrent_->examples();
  if (!plan.carry || kept == 0 || kept == plan.n) return;
  refuse("[train_sequences] carry was true with " + std::to_string(plan.n) +
         " sequences; the network's state is that of " + std::to_string(kept) + ": call reset() first");
}

template <class T>
void Network<T>::Impl::conclude_sequences(EpochResult& result, const SequencePlan& plan,
                                          const T* weight) const {
  std::vector<Index> rows;
  if (weight) fill_rows(rows, plan.order, 0, plan.n, plan.times);
  if (result.examples > 0) conclude(result, {}, weight, rows.data(), result.examples);
}

template <class T>
EpochResult Network<T>::train_sequences(MatrixView<const T> x, MatrixView<const T> y,
                                        const SequencePlan& plan, const Optimizer& optimizer,
                                        const Poll& poll, const T* weight) {
  impl_->check_training_in_time(x, y, plan, optimizer, weight);
  Session<T> session(*impl_);
  impl_->check_now(plan);
  EpochResult result;
  impl_->train_sequences(x, y, plan, optimizer, poll, weight, result);
  impl_->conclude_sequences(result, plan, weight);
  return result;
}

#define FASTFA_INSTANTIATE(T)                                                                           \
  template void Network<T>::Impl::check_no_recurrent(const char*) const;                                \
  template void Network<T>::Impl::check_sequences(const char*, MatrixView<const T>,                     \
                                                  const MatrixView<const T>*, Index) const;             \
  template void Network<T>::Impl::begin_state(Index);                                                   \
  template Index Network<T>::Impl::time_of(int, Index) const;                                           \
  template void Network<T>::Impl::check_training_in_time(                                               \
      MatrixView<const T>, MatrixView<const T>, const SequencePlan&, const Optimizer&, const T*) const; \
  template typename RecurrentLayer<T>::Carry Network<T>::Impl::carry_in_time();                         \
  template const char* Network<T>::Impl::recurrent_feedback_name() const;                               \
  template void Network<T>::Impl::scan_back(Index);                                                     \
  template void Network<T>::Impl::check_online(const char*) const;                                      \
  template void Network<T>::Impl::check_now(const SequencePlan&) const;                                 \
  template void Network<T>::Impl::conclude_sequences(EpochResult&, const SequencePlan&, const T*)       \
      const;                                                                                            \
  template void Network<T>::Impl::train_sequences(MatrixView<const T>, MatrixView<const T>,             \
                                                  const SequencePlan&, const Optimizer&, const Poll&,   \
                                                  const T*, EpochResult&);                              \
  template EpochResult Network<T>::train_sequences(MatrixView<const T>, MatrixView<const T>,            \
                                                   const SequencePlan&, const Optimizer&, const Poll&,  \
                                                   const T*)
FASTFA_INSTANTIATE(float);
FASTFA_INSTANTIATE(double);

}  // namespace fastfa

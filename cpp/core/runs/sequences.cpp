// Sequences: networks whose first layer is recurrent. A batch of whole sequences is a batch of rows,
// those of the same time side by side: so all above the recurrent layer, and every product over time, is
// what it is elsewhere.
#include <algorithm>
#include <string>

#include "core/network/checks.h"
#include "core/network/network_impl.h"
#include "fastfa/names.h"

namespace fastfa {
namespace {

// Rows of x for the sequences order[0 … n), time by time.
void fill_rows(std::vector<Index>& rows, const Index* order, Index first, Index n, Index times) {
  rows.resize(static_cast<std::size_t>(n * times));
  for (Index t = 0; t < times; ++t) {
    for (Index e = 0; e < n; ++e) {
      const Index sequence = order ? order[first + e] : first + e;
      rows[static_cast<std::size_t>(t * n + e)] = sequence * times + t;
    }
  }
}

constexpr Index most_rows = 4096;  // of a pass that only looks, unless one sequence has more

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
  if (!recurrent_) refuse(where + "the network has no recurrent layer; its first layer must be one");
  const auto check = [&](const char* what, const MatrixView<const T>& m, Index cols) {
    if (m.data && m.cols == cols && m.col_stride == 1 && m.rows == x.rows) return;
    refuse(where + what + " has shape (" + std::to_string(m.rows) + ", " + std::to_string(m.cols) +
           "); it must be (" + std::to_string(x.rows) + ", " + std::to_string(cols) +
           "), contiguous in each row");
  };
  check("X", x, spec_.inputs);
  if (y) check("Y", *y, layers_.back().n_out);
  if (times < 1 || x.rows < 1 || x.rows % times != 0) {
    refuse(where + "times was " + std::to_string(times) + "; X has " + std::to_string(x.rows) +
           " rows, which must be a multiple of it, and at least one");
  }
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
  if (lowest_trainable() == 0 && !recurrent_->delta_zero) {
    recurrent_->scan_back(*backend_, batch_.n, partial_.data(), checks_.bad());
    checks_.check(0, "a delta");
  }
  finish(batch_, optimizer);
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
    const Buffer<T> b = pack.transposed ? top.w : f.matrix->stored();
    pack.b = b.data();
    pack.ldb = b.ld();
  }
  const Learning<T> own = change.of(top.spec);
  pack.w_out = top.w.data();
  pack.ldo = top.w.ld();
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
  pack.x = batch_.x.data;
  pack.ldx = batch_.x.row_stride;
  pack.y = batch_.y.data;
  pack.ldy = batch_.y.row_stride;
  pack.order = rows;
  pack.steps = steps;
  pack.weight = batch_.weight;
  Index wrong = 0, done = 0;
  pack.loss_sum = &result.loss;
  pack.wrong = &wrong;
  pack.missed = &result.missed;
  pack.done = &done;
  backend_->recurrent_run(pack);
  result.wrong += wrong;
  result.examples += done;
  steps_ += done;
  return done;
}

template <class T>
void Network<T>::Impl::learn_online(const SequencePlan& plan, const Index* rows, Index examples,
                                    const Optimizer& optimizer, Pace& pace, EpochResult& result) {
  recurrent_->go(RecurrentLayer<T>::Way::online, 1);
  const bool runs = examples == 1 && can_run(optimizer);
  const Poll never;
  for (Index t = 0; t < plan.times;) {
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
  const Index most = std::min(plan.batch_size, plan.n);
  ready(optimizer, online ? most : most * plan.times);
  batch_.x = x;
  batch_.y = y;
  batch_.weight = weight;
  const auto bytes = static_cast<double>(recurrent_->w.bytes()) * static_cast<double>(most);
  Pace pace{poll, std::max(Index{1}, static_cast<Index>(2e8 / (bytes + 1e4)))};
  std::vector<Index> rows;
  for (Index at = 0; at < plan.n; at += most) {
    const Index examples = std::min(most, plan.n - at);
    if (!plan.carry || recurrent_->examples() == 0) recurrent_->begin(*backend_, examples);
    fill_rows(rows, plan.order, at, examples, plan.times);
    if (online) {
      recurrent_->begin_traces(*backend_);
      learn_online(plan, rows.data(), examples, optimizer, pace, result);
      continue;
    }
    recurrent_->go(RecurrentLayer<T>::Way::sequence, plan.times);
    batch_.n = examples * plan.times;
    batch_.order = rows.data();
    learn_whole(optimizer);
    batch_.add_to(result);
    pace.after(plan.times);
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
  const Index most = std::min(plan.batch_size, plan.n);
  const bool online = plan.update == TimeUpdate::step;
  check_optimizer(optimizer, online ? most : size_product(where + "a batch has", {most, plan.times}),
                  spec_.layers);
  check_weights("train_sequences", weight, static_cast<const Index*>(nullptr), x.rows);
  const RecurrentFeedback back = spec_.layers[0].recurrent.feedback;
  if (online && back != RecurrentFeedback::zero) {
    refuse(where + "update was 'step' with recurrent_feedback '" + name(back) +
           "', which needs whole sequences; it must be 'sequence'");
  }
  if (plan.carry && most != plan.n) {
    refuse(where + "carry was true with " + std::to_string(plan.n) + " sequences in batches of " +
           std::to_string(plan.batch_size) + "; they must be one batch");
  }
}

template <class T>
void Network<T>::Impl::check_carry(const SequencePlan& plan) const {
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
  impl_->check_carry(plan);
  EpochResult result;
  impl_->train_sequences(x, y, plan, optimizer, poll, weight, result);
  impl_->conclude_sequences(result, plan, weight);
  return result;
}

template <class T>
template <class Visit>
void Network<T>::Impl::in_sequences(MatrixView<const T> x, MatrixView<const T> y, Index times,
                                    const Poll& poll, const T* weight, Visit&& visit) {
  const Index sequences = x.rows / times;
  const Index most = std::min(sequences, std::max(Index{1}, most_rows / times));
  reserve(most * times);
  batch_.x = x;
  batch_.y = y;
  batch_.weight = weight;
  std::vector<Index> rows;
  for (Index first = 0; first < sequences; first += most) {
    if (asks_to_stop(poll)) throw Interrupted();
    const Index n = std::min(most, sequences - first);
    fill_rows(rows, nullptr, first, n, times);
    batch_.n = n * times;
    batch_.order = rows.data();
    recurrent_->go(RecurrentLayer<T>::Way::look, times);
    forward(batch_);
    visit(first, n);
  }
}

template <class T>
void Network<T>::forward_sequences(MatrixView<const T> x, std::int64_t times, MatrixView<T> out,
                                   const Poll& poll) {
  impl_->check_sequences("forward_sequences", x, nullptr, times);
  const Layer<T>& top = impl_->layers_.back();
  if (!out.data || out.rows != x.rows || out.cols != top.n_out) {
    refuse("[forward_sequences] out has shape (" + std::to_string(out.rows) + ", " +
           std::to_string(out.cols) + "); it must be (" + std::to_string(x.rows) + ", " +
           std::to_string(top.n_out) + ")");
  }
  Session<T> session(*impl_);
  const SpareBuffers<T> spare(impl_->pass_);
  impl_->in_sequences(x, {}, times, poll, nullptr, [&](Index first, Index n) {
    impl_->error(impl_->batch_, false);
    for (Index r = 0; r < n * times; ++r) {
      const Index to = (first + r % n) * times + r / n;
      for (Index c = 0; c < top.n_out; ++c) out(to, c) = top.h.row(r)[c];
    }
  });
}

template <class T>
EpochResult Network<T>::evaluate_sequences(MatrixView<const T> x, MatrixView<const T> y,
                                           std::int64_t times, const Poll& poll, const T* weight) {
  impl_->check_sequences("evaluate_sequences", x, &y, times);
  check_weights("evaluate_sequences", weight, static_cast<const Index*>(nullptr), x.rows);
  Session<T> session(*impl_);
  const SpareBuffers<T> spare(impl_->pass_);
  EpochResult result;
  impl_->in_sequences(x, y, times, poll, weight, [&](Index, Index) {
    impl_->error(impl_->batch_, false);
    impl_->batch_.add_to(result);
  });
  conclude(result, {}, weight, nullptr, result.examples);
  return result;
}

template <class T>
void Network<T>::deltas_sequences(MatrixView<const T> x, MatrixView<const T> y, std::int64_t times,
                                  MatrixView<T> out, const std::vector<FeedbackSpec>* feedback,
                                  std::optional<RecurrentFeedback> through, const Poll& poll,
                                  const T* weight) {
  impl_->check_sequences("deltas_sequences", x, &y, times);
  check_weights("deltas_sequences", weight, static_cast<const Index*>(nullptr), x.rows);
  RecurrentLayer<T>& layer = *impl_->recurrent_;
  if (!out.data || out.rows != x.rows || out.cols != layer.n_out) {
    refuse("[deltas_sequences] out has shape (" + std::to_string(out.rows) + ", " +
           std::to_string(out.cols) + "); it must be (" + std::to_string(x.rows) + ", " +
           std::to_string(layer.n_out) + ")");
  }
  const RecurrentFeedback own = impl_->spec_.layers[0].recurrent.feedback;
  const RecurrentFeedback back = through.value_or(own);
  if (back == RecurrentFeedback::random && own != back) {
    refuse(std::string("[deltas_sequences] recurrent_feedback was 'random'; the layer has '") +
           name(own) + "', and so no random matrix");
  }
  LearningRule<T> other;  // destroyed after the locks are released, as in deltas()
  Session<T> session(*impl_);
  if (feedback) other = make_rule<T>(*impl_->backend_, *feedback, 0.0, impl_->spec_);
  LearningRule<T>& rule = feedback ? other : impl_->rule_;
  const SpareBuffers<T> spare(impl_->pass_);
  impl_->prepare(rule);
  impl_->in_sequences(x, y, times, poll, weight, [&](Index first, Index n) {
    impl_->compute_deltas(rule, impl_->batch_, 0);
    layer.scan_back(*impl_->backend_, n * times, impl_->partial_.data(), impl_->checks_.bad(), back);
    impl_->checks_.check(0, "a delta");
    for (Index r = 0; r < n * times; ++r) {
      const Index to = (first + r % n) * times + r / n;
      for (Index c = 0; c < layer.n_out; ++c) out(to, c) = layer.delta.row(r)[c];
    }
  });
}

template <class T>
bool Network<T>::has_state() const {
  return impl_->recurrent_ != nullptr;
}

template <class T>
void Network<T>::reset() {
  if (!impl_->recurrent_) {
    refuse("[reset] the network has no recurrent layer, and so no state");
  }
  const Session<T> session(*impl_);
  impl_->pass_.drop();
  impl_->recurrent_->reset();
}

template <class T>
void Network<T>::begin_state(std::int64_t examples) {
  if (!impl_->recurrent_) {
    refuse("[begin_state] the network has no recurrent layer, and so no state");
  }
  if (examples < 1 || examples >= largest) {
    refuse("[begin_state] examples was " + std::to_string(examples) + "; it must be positive");
  }
  const Session<T> session(*impl_);
  impl_->pass_.drop();
  impl_->recurrent_->begin(*impl_->backend_, examples);
  impl_->recurrent_->begin_traces(*impl_->backend_);
}

template <class T>
OwnedMatrix<T> Network<T>::state() const {
  if (!impl_->recurrent_) return {};
  const Session<T> session(*impl_);
  const Buffer<T> b = impl_->recurrent_->state();
  return {{b.data(), b.rows(), b.cols(), b.ld()}, b.owner()};
}

template <class T>
OwnedMatrix<T> Network<T>::traces() const {
  if (!impl_->recurrent_) return {};
  const Session<T> session(*impl_);
  impl_->recurrent_->settle(*impl_->backend_);
  const Buffer<T> b = impl_->recurrent_->traces();
  return {{b.data(), b.rows(), b.cols(), b.ld()}, b.owner()};
}

#define FASTFA_INSTANTIATE(T)                                                                           \
  template void Network<T>::Impl::check_no_recurrent(const char*) const;                                \
  template void Network<T>::Impl::begin_state(Index);                                                   \
  template void Network<T>::Impl::check_training_in_time(                                               \
      MatrixView<const T>, MatrixView<const T>, const SequencePlan&, const Optimizer&, const T*) const; \
  template void Network<T>::Impl::check_carry(const SequencePlan&) const;                               \
  template void Network<T>::Impl::conclude_sequences(EpochResult&, const SequencePlan&, const T*)       \
      const;                                                                                            \
  template void Network<T>::Impl::train_sequences(MatrixView<const T>, MatrixView<const T>,             \
                                                  const SequencePlan&, const Optimizer&, const Poll&,   \
                                                  const T*, EpochResult&);                              \
  template EpochResult Network<T>::train_sequences(MatrixView<const T>, MatrixView<const T>,            \
                                                   const SequencePlan&, const Optimizer&, const Poll&,  \
                                                   const T*);                                           \
  template void Network<T>::forward_sequences(MatrixView<const T>, std::int64_t, MatrixView<T>,         \
                                              const Poll&);                                             \
  template EpochResult Network<T>::evaluate_sequences(MatrixView<const T>, MatrixView<const T>,         \
                                                      std::int64_t, const Poll&, const T*);             \
  template void Network<T>::deltas_sequences(MatrixView<const T>, MatrixView<const T>, std::int64_t,    \
                                             MatrixView<T>, const std::vector<FeedbackSpec>*,           \
                                             std::optional<RecurrentFeedback>, const Poll&, const T*);  \
  template bool Network<T>::has_state() const;                                                          \
  template void Network<T>::reset();                                                                    \
  template void Network<T>::begin_state(std::int64_t);                                                  \
  template OwnedMatrix<T> Network<T>::state() const;                                                    \
  template OwnedMatrix<T> Network<T>::traces() const
FASTFA_INSTANTIATE(float);
FASTFA_INSTANTIATE(double);

}  // namespace fastfa

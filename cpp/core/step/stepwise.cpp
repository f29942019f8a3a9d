// A step in parts, for simulators: forward now, the error later, then feedback, and the update when
// told. The parts are those of step(), in its order, so that together they change the network as step()
// does, to the last bit.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>

#include "core/network/checks.h"
#include "core/network/network_impl.h"
#include "fastfa/names.h"

namespace fastfa {
namespace {

// NaN and infinity have all bits of the exponent set. In whole words, this runs in vectors.
template <class T>
bool all_finite(const T* x, Index n) {
  using Word = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
  constexpr Word exponent = sizeof(T) == 4 ? Word{0x7f800000u} : static_cast<Word>(0x7ff0000000000000u);
  Word bad = 0;
  for (Index i = 0; i < n; ++i) {
    Word word;
    std::memcpy(&word, x + i, sizeof word);
    bad |= static_cast<Word>((word & exponent) == exponent);
  }
  return bad == 0;
}

template <class T>
void check_finite(const char* call, const char* what, const MatrixView<const T>& m) {
  for (Index r = 0; r < m.rows; ++r) {
    const T* row = m.data + r * m.row_stride;
    if (all_finite(row, m.cols)) continue;
    Index c = 0;
    while (std::isfinite(row[c])) ++c;
    const char* found = std::isnan(row[c]) ? "nan" : row[c] > 0 ? "inf" : "-inf";
    refuse("[" + std::string(call) + "] " + what + " has " + found + " at [" + std::to_string(r) + ", " +
           std::to_string(c) + "]; every value must be finite");
  }
}

[[noreturn]] void out_of_order(const char* call, const std::string& what) {
  throw OrderError("[" + std::string(call) + "] " + what);
}

// Refuses a call before forward_step(), or after the update.
void check_stage(const char* call, Stage stage) {
  if (stage == Stage::none) {
    out_of_order(
        call,
        "no forward pass is kept; call forward_step() first. Calls that learn or load otherwise "
        "drop it");
  }
  if (stage == Stage::done) {
    out_of_order(call, "the update of this forward pass is done; call forward_step() before the next");
  }
}

}  // namespace

template <class T>
void Network<T>::Impl::forward_step(MatrixView<const T> x, MatrixView<T> out) {
  pass_.drop();  // from here on, what was kept is overwritten
  reserve(x.rows);
  set_batch(x, {}, 0, x.rows);
  const FlagGuard now(learning_);
  if (recurrent_) recurrent_->go(RecurrentLayer<T>::Way::online, 1);
  forward(batch_);
  error(batch_, false);
  checks_.raise_pending();
  batch_.x = {};  // the caller's, and gathered by now
  pass_.reach(Stage::forward);
  if (out.data) copy_rows(layers_.back().h, x.rows, out, 0);
}

template <class T>
void Network<T>::Impl::check_error(const char* call, const MatrixView<const T>& e,
                                   const MatrixView<const T>& target) const {
  check_stage(call, pass_.stage());
  const Index n_out = layers_.back().n_out;
  check_matrix(call, "e", e, batch_.n, n_out);
  check_finite(call, "e", e);
  if (recurrent_ && b_rec_.spec.matrix != Matrix::zero) {
    refuse("[" + std::string(call) + "] recurrent_feedback is '" + recurrent_feedback_name() +
           "', which needs whole sequences; use train_sequences()");
  }
  if (recurrent_) check_online(call);
  if (rule_.perturbation.sigma > 0) {
    refuse("[" + std::string(call) +
           "] the network learns by node perturbation: from losses, not from an error; use step()");
  }
  const bool wanted =
      std::any_of(rule_.feedback.begin(), rule_.feedback.end(),
                  [](const Feedback<T>& f) { return f.matrix && f.spec.route == Route::target; });
  if (!wanted && !target.data) return;
  if (!wanted) {
    refuse("[" + std::string(call) +
           "] target was given; it must not be, for no layer's route is 'target'");
  }
  check_matrix(call, "target", target, batch_.n, n_out);
  check_finite(call, "target", target);
}

// δ_L = e, or e ∘ σ′(a) as the loss says; then the hidden layers'.
template <class T>
void Network<T>::Impl::feedback_step(MatrixView<const T> e, MatrixView<const T> target) {
  if (recurrent_) recurrent_->go(RecurrentLayer<T>::Way::online, 1);
  const FlagGuard now(learning_);
  Layer<T>& top = layers_.back();
  pass_.reach(Stage::forward);  // in case that an error ends this call before all deltas are there
  prepare(rule_);
  backend_->wait();
  for (Index n = 0; n < batch_.n; ++n) {
    std::copy_n(e.data + n * e.row_stride, top.n_out, top.delta.row(n));
  }
  const Sigma slope = spec_.loss == Loss::cross_entropy ? Activation::linear : top.sigma;
  backend_->times_slope({batch_.n, top.delta, top.n_out, top.h, slope, nullptr, checks_.bad()});
  top.delta_zero = false;
  checks_.check(layers_.number(layers_.size() - 1), "a delta");
  batch_.y = readable(1, target);
  batch_.order = batch_.natural.data();
  feedback(rule_.feedback, batch_, 0);
  checks_.raise_pending();
  batch_.y = {};
  pass_.reach(Stage::feedback);
}

template <class T>
void Network<T>::Impl::update_step(const Optimizer& optimizer) {
  if (recurrent_) recurrent_->go(RecurrentLayer<T>::Way::online, 1);
  const FlagGuard now(learning_);
  reserve_memory(memory_of(optimizer));
  reserve_gradients(optimizer);
  pass_.reach(Stage::done);
  finish(batch_, optimizer);
}

template <class T>
void Network<T>::forward_step(MatrixView<const T> x, MatrixView<T> out) {
  impl_->check_data("forward_step", x, nullptr);
  if (!x.data || x.rows < 1) refuse("[forward_step] x has no rows; it must have at least one");
  const Index n_out = impl_->layers_.back().n_out;
  if (out.data && (out.rows != x.rows || out.cols != n_out)) {
    refuse("[forward_step] out has shape (" + std::to_string(out.rows) + ", " +
           std::to_string(out.cols) + "); it must be (" + std::to_string(x.rows) + ", " +
           std::to_string(n_out) + ")");
  }
  check_finite("forward_step", "x", x);
  const Session<T> session(*impl_);
  if (impl_->recurrent_) impl_->begin_state(x.rows);
  impl_->forward_step(x, out);
}

template <class T>
void Network<T>::feedback_step(MatrixView<const T> e, MatrixView<const T> target) {
  const Session<T> session(*impl_);
  impl_->check_error("feedback_step", e, target);
  impl_->feedback_step(e, target);
}

template <class T>
void Network<T>::update_step(const Optimizer& optimizer) {
  const Session<T> session(*impl_);
  check_stage("update_step", impl_->pass_.stage());
  if (impl_->pass_.stage() == Stage::forward) {
    out_of_order("update_step", "no error came since forward_step(); call feedback_step() first");
  }
  check_optimizer(optimizer, impl_->batch_.n, impl_->spec_.layers);
  impl_->update_step(optimizer);
}

template <class T>
void Network<T>::apply_error(MatrixView<const T> e, const Optimizer& optimizer,
                             MatrixView<const T> target) {
  const Session<T> session(*impl_);
  impl_->check_error("apply_error", e, target);
  check_optimizer(optimizer, impl_->batch_.n, impl_->spec_.layers);
  impl_->feedback_step(e, target);
  impl_->update_step(optimizer);
}

template <class T>
StepState Network<T>::step_state() const {
  std::lock_guard<std::mutex> lock((impl_->check_reentry(), impl_->mutex_));
  const Stage stage = impl_->pass_.stage();
  return {stage == Stage::none ? 0 : impl_->batch_.n, stage == Stage::feedback || stage == Stage::done,
          stage == Stage::done};
}

template <class T>
void Network<T>::read_step(const std::vector<MatrixView<T>>& activations,
                           const std::vector<MatrixView<T>>& deltas) const {
  std::lock_guard<std::mutex> lock((impl_->check_reentry(), impl_->mutex_));
  const Stage stage = impl_->pass_.stage();
  if (stage == Stage::none) {
    out_of_order("read_step", "no forward pass is kept; call forward_step() first");
  }
  if (stage == Stage::forward && !deltas.empty()) {
    out_of_order("read_step", "there are no deltas before the error; call feedback_step() first");
  }
  const auto copy = [&](const std::vector<MatrixView<T>>& to, bool of_deltas) {
    if (to.size() > impl_->layers_.weighted()) refuse("[read_step] there are more matrices than layers");
    for (std::size_t l = 0; l < to.size(); ++l) {
      const Layer<T>& layer = impl_->layers_.with_weights(l);
      if (!to[l].data) continue;
      if (to[l].rows != impl_->batch_.n || to[l].cols != layer.n_out) {
        refuse("[read_step] the matrix for layer " + std::to_string(l) + " has shape (" +
               std::to_string(to[l].rows) + ", " + std::to_string(to[l].cols) + "); it must be (" +
               std::to_string(impl_->batch_.n) + ", " + std::to_string(layer.n_out) + ")");
      }
      copy_rows(of_deltas ? layer.delta : layer.h, impl_->batch_.n, to[l], 0);
    }
  };
  copy(activations, false);
  copy(deltas, true);
}

#define FASTFA_INSTANTIATE(T)                                                                        \
  template void Network<T>::forward_step(MatrixView<const T>, MatrixView<T>);                        \
  template void Network<T>::feedback_step(MatrixView<const T>, MatrixView<const T>);                 \
  template void Network<T>::update_step(const Optimizer&);                                           \
  template void Network<T>::apply_error(MatrixView<const T>, const Optimizer&, MatrixView<const T>); \
  template StepState Network<T>::step_state() const;                                                 \
  template void Network<T>::read_step(const std::vector<MatrixView<T>>&,                             \
                                      const std::vector<MatrixView<T>>&) const
FASTFA_INSTANTIATE(float);
FASTFA_INSTANTIATE(double);

}  // namespace fastfa

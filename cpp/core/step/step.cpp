// One step of learning: forward → error → feedback → update. What feedback learns itself is in
// plasticity.cpp, learning without feedback in perturbation.cpp.
#include "core/layers/activator.h"
#include "core/network/network_impl.h"

namespace fastfa {
template <class T>
void Network<T>::Impl::step(Batch<T>& batch, const Optimizer& optimizer, const Poll& poll) {
  const FlagGuard now(learning_);
  prepare(rule_);
  forward(batch);
  compute_deltas(rule_, batch, lowest_trainable());
  if (asks_to_stop(poll)) throw Interrupted();  // a step is done as a whole or not at all
  checks_.reduce(batch);
  finish(batch, optimizer);
}

template <class T>
void Network<T>::Impl::finish(Batch<T>& batch, const Optimizer& optimizer) {
  OptimizerStep<T> change = optimizer_step(optimizer, batch.n);
  if (limits_gradients(optimizer)) {
    update_within_limits(batch, change);
  } else {
    update(batch, change);
  }
  learn_feedback(batch, change);
  ++steps_;
  mirror(batch.n);
}

template <class T>
void Network<T>::Impl::prepare(LearningRule<T>& rule) {
  for (std::size_t l = 0; l < rule.feedback.size(); ++l) {
    if (rule.feedback[l].matrix) rule.feedback[l].matrix->prepare(feedback_context(l));
  }
  if (in_time_->matrix) in_time_->matrix->prepare(time_context());
}

// h_0 = x, and which of its columns are not zero in the whole batch.
template <class T>
void Network<T>::Impl::gather(Batch<T>& batch) {
  const Index n_in = spec_.inputs;
  backend_->gather(
      {batch.n, rows_of(batch.x), batch.order, n_in, batch.input, batch.active.data(), checks_.bad()});
  checks_.check(-1, "an input");
  if (backend_->immediate()) {
    batch.find_active(n_in, batch.n == 1 ? 1 : 4);
  } else {
    batch.ranges = all_inputs_;
  }
}

// h_l = σ(W_l h_{l−1} + b_l); the output layer is left at its pre-activation for error().
template <class T>
void Network<T>::Impl::forward(Batch<T>& batch) {
  gather(batch);
  if (tries_tiny(batch) && tiny_.forward()) return;
  if (learning_ && spec_.input_dropout > 0) {
    drop(-1, spec_.input_dropout, true, batch.input, batch.input, batch.n);
  }

  const Buffer<T>* h = &batch.input;
  const std::vector<ColumnRange>* ranges = &batch.ranges;
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    Layer<T>& layer = layers_[l];
    const bool output = l + 1 == layers_.size();
    const Sigma sigma = output || layer.slope ? Activation::linear : layer.sigma;
    layer.forward(*backend_, *h, *ranges, batch.n, sigma, layer.h, partial_.data(), checks_.bad());
    checks_.check(layers_.number(l), "a pre-activation");
    if (layer.slope) activate(l, batch.n);
    if (learning_ && layer.dropped) {
      drop(layers_.number(l), layer.spec.dropout, true, layer.h, layer.dropped, batch.n);
    }
    h = &layer.output(learning_);
    ranges = &layer.units;
  }
}

template <class T>
void Network<T>::Impl::activate(std::size_t l, Index n) {
  Layer<T>& layer = layers_[l];
  if (!layer.spec.activator) {
    return backend_->activate({n, layer.h, layer.n_out, layer.sigma, layer.slope});
  }
  activate_by(layer.spec.activator, layer.h, layer.slope, n, checks_.bad());
  checks_.check(layers_.number(l), "what the activation made");
}

// y = σ(a), e = y* − y, and δ_L = w e or w e ∘ σ′(a), w the example's weight. Without targets: y alone.
template <class T>
void Network<T>::Impl::error(Batch<T>& batch, bool with_delta) {
  Layer<T>& top = layers_.back();
  Output<T> pack = output_of(batch, top.h);
  if (with_delta) pack.delta = top.delta;
  pack.loss_rows = batch.loss.data();
  pack.wrong = batch.wrong.data();
  backend_->output(pack);
  top.delta_zero = false;
  checks_.check(layers_.number(layers_.size() - 1), "a delta");
}

template <class T>
void Network<T>::Impl::compute_deltas(LearningRule<T>& rule, Batch<T>& batch, int lowest, Index row0) {
  const bool perturbs = rule.perturbation.sigma > 0;
  error(batch, !perturbs || rule.perturbation.layers == NoisyLayers::hidden);
  if (perturbs) return perturb(rule.perturbation, batch, row0);
  feedback(rule.feedback, batch, lowest);
}

// δ_l = (B_l δ_source) ∘ σ′(a_l), from the top down to layer `lowest`.
template <class T>
void Network<T>::Impl::feedback(std::vector<Feedback<T>>& of, Batch<T>& batch, int lowest) {
  batch.target_there = false;
  if (tries_tiny(batch) && tiny_.feedback()) return;
  for (int l = static_cast<int>(layers_.size()) - 2; l >= lowest; --l) {
    const auto at = static_cast<std::size_t>(l);
    Layer<T>& layer = layers_[at];
    Feedback<T>& f = of[at];
    const bool target = f.spec.route == Route::target;
    layer.delta_zero = !f.matrix || (!target && is_silent(source_layer(f.spec.route, at)));
    if (layer.delta_zero) {
      backend_->clear(layer.delta.data(), batch.n * layer.delta.ld());
      continue;
    }
    if (target && !batch.target_there) {
      const Index n_out = layers_.back().n_out;
      backend_->gather({batch.n, rows_of(batch.y), batch.order, n_out, batch.target,
                        batch.target_active.data(), checks_.bad()});
      if (batch.weight) {  // the targets replace output deltas, which contain the examples' weights
        backend_->times_slope({batch.n, batch.target, n_out, batch.target, Activation::linear,
                               batch.weight_rows.data(), checks_.bad()});
      }
      checks_.check(layers_.number(layers_.size() - 1), "a target");
      batch.target_there = true;
    }
    f.matrix->propagate(feedback_product(f, at, batch), feedback_context(at));
    checks_.check(layers_.number(at), "a delta");
    if (learning_ && layer.dropped) {
      drop(layers_.number(at), layer.spec.dropout, true, layer.delta, layer.delta, batch.n);
    }
    if (&layer == recurrent_ && !recurrent_->is_online()) scan_back(batch.n);
  }
}

// v ← α v + η (s δᵀh − γ W), W ← W + v, or what another optimizer makes of δᵀh. All deltas were computed
// with the weights of before the step. A layer without feedback doesn't change, nor does the optimizer's
// memory of it.
template <class T>
void Network<T>::Impl::update(Batch<T>& batch, const OptimizerStep<T>& change) {
  if (tries_tiny(batch) && tiny_.update(change)) return;
  const Buffer<T>* h = &batch.input;
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    Layer<T>& layer = layers_[l];
    const Buffer<T>& below = *h;
    h = &layer.output(learning_);
    if (!layer.spec.trainable || layer.delta_zero) continue;
    const Learning<T> learning = change.of(layer.spec);
    const std::vector<ColumnRange>& ranges = l > 0                           ? layers_[l - 1].units
                                             : change.moves_anyway(learning) ? all_inputs_
                                                                             : batch.ranges;
    if (deferring_ && layer.can_defer()) {
      layer.defer(*backend_, learning, below, l > 0 ? ranges : all_inputs_, batch.n, l == 0);
      continue;
    }
    layer.learn(*backend_, learning, below, ranges, batch.n, layer);
  }
}

// What the optimizer does in the coming step. Adam's t counts it.
template <class T>
OptimizerStep<T> Network<T>::Impl::optimizer_step(const Optimizer& optimizer, Index n) {
  if (counts_steps(memory_of(optimizer))) ++adam_steps_;
  OptimizerStep<T> change = step_of<T>(optimizer, n, adam_steps_);
  change.learning.halted = checks_.halted();
  return change;
}

template class Network<float>::Impl;
template class Network<double>::Impl;

}  // namespace fastfa

// One step of learning: forward → error → feedback → update.
#include "core/network_impl.h"
#include "core/text.h"

namespace fastfa {

template <class T>
void Network<T>::Impl::step(Batch<T>& batch, const Sgd& sgd, const Poll& poll) {
  forward(batch);
  error(batch, true);
  feedback(feedback_, batch.n, lowest_trainable());
  if (poll && poll()) throw Interrupted();  // a step is done as a whole or not at all
  update(batch, sgd);
  ++steps_;
}

// h_0 = x, h_l = σ(W_l h_{l−1} + b_l); the output layer is left at its pre-activation for error().
template <class T>
void Network<T>::Impl::forward(Batch<T>& batch) {
  const Index n_in = spec_.inputs;
  backend_->gather({batch.x.data, batch.x.row_stride, batch.order, batch.n, n_in, batch.input.data(),
                    batch.input.ld(), batch.active.data(), &bad_});
  check(-1, "an input");
  batch.find_runs(n_in, batch.n == 1 ? 1 : 4);

  const Buffer<T>* h = &batch.input;
  const std::vector<Run>* runs = &batch.runs;
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    DenseLayer<T>& layer = layers_[l];
    const bool output = l + 1 == layers_.size();
    const Activation activation = output ? Activation::linear : layer.spec.activation;
    backend_->dense_forward({h->data(), h->ld(), batch.n, layer.n_in, runs->data(),
                             static_cast<Index>(runs->size()), layer.w.data(), layer.w.ld(), layer.n_out,
                             layer.bias.data(), static_cast<int>(activation), layer.h.data(),
                             layer.h.ld(), partial_.data(), &bad_});
    check(static_cast<int>(l), "a pre-activation");
    h = &layer.h;
    runs = &layer.units;
  }
}

// y = σ(a), e = y* − y, and δ_L = e or e ∘ σ′(a). Without targets: y alone.
template <class T>
void Network<T>::Impl::error(Batch<T>& batch, bool with_delta) {
  DenseLayer<T>& top = layers_.back();
  backend_->output({top.h.data(), top.h.ld(), batch.n, top.n_out, static_cast<int>(top.spec.activation),
                    static_cast<int>(spec_.loss), batch.y.data, batch.y.row_stride, batch.order,
                    with_delta ? top.delta.data() : nullptr, top.delta.ld(), batch.loss.data(),
                    batch.wrong.data(), &bad_});
  top.delta_zero = false;
  check(static_cast<int>(layers_.size()) - 1, "a delta");
}

// δ_l = (B_l δ_source) ∘ σ′(a_l), from the top down to layer `lowest`. The source is the delta of the
// layer above, or the output's for the direct route.
template <class T>
void Network<T>::Impl::feedback(const std::vector<Feedback<T>>& how, Index n, int lowest) {
  for (int l = static_cast<int>(layers_.size()) - 2; l >= lowest; --l) {
    const auto at = static_cast<std::size_t>(l);
    DenseLayer<T>& layer = layers_[at];
    const DenseLayer<T>& above = layers_[at + 1];
    const Feedback<T>& f = how[at];
    const DenseLayer<T>& source = f.route == Route::direct ? layers_.back() : above;

    layer.delta_zero = f.matrix == Matrix::zero || source.delta_zero;
    if (layer.delta_zero) {
      backend_->clear(layer.delta.data(), n * layer.delta.ld());
      continue;
    }
    const bool transposed = f.matrix == Matrix::transpose;
    const Buffer<T>& b = transposed ? above.w : f.b;
    backend_->propagate({source.delta.data(), source.delta.ld(), n, source.n_out, source.units.data(),
                         static_cast<Index>(source.units.size()), b.data(), b.ld(), transposed ? 1 : 0,
                         layer.n_out, layer.h.data(), layer.h.ld(),
                         static_cast<int>(layer.spec.activation), layer.delta.data(), layer.delta.ld(),
                         partial_.data(), &bad_});
    check(l, "a delta");
  }
}

// v ← α v + η (s δᵀh − γ W), W ← W + v, every layer from the weights of before the step.
template <class T>
void Network<T>::Impl::update(Batch<T>& batch, const Sgd& sgd) {
  const double s = sgd.reduction == Reduction::mean ? 1.0 / static_cast<double>(batch.n) : 1.0;
  const bool moves_anyway = sgd.momentum != 0 || sgd.weight_decay != 0;
  const Buffer<T>* h = &batch.input;
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    DenseLayer<T>& layer = layers_[l];
    const Buffer<T>& below = *h;
    h = &layer.h;
    if (!layer.spec.trainable || (layer.delta_zero && !moves_anyway)) continue;
    const std::vector<Run>& runs = l > 0          ? layers_[l - 1].units
                                   : moves_anyway ? all_inputs_
                                                  : batch.runs;
    backend_->dense_update({below.data(), below.ld(), batch.n, layer.n_in, runs.data(),
                            static_cast<Index>(runs.size()), layer.delta.data(), layer.delta.ld(),
                            layer.n_out, layer.w.data(), layer.w.ld(), layer.v.data(), layer.bias.data(),
                            layer.v_bias.data(), static_cast<T>(sgd.lr * s),
                            static_cast<T>(sgd.lr * sgd.weight_decay), static_cast<T>(sgd.momentum)});
  }
}

// Stops before an update that could not be trusted: every weight is still finite.
template <class T>
void Network<T>::Impl::check(int layer, const char* what) {
  if (!bad_) return;
  bad_ = 0;
  throw DivergenceError(layer, steps_,
                        (layer < 0 ? "the input" : "layer " + std::to_string(layer)) + " at step " +
                            std::to_string(steps_) + ": " + what + " is NaN, infinite or beyond ±" +
                            text(value_limit<T>) + "; the weights are those before this step");
}

template class Network<float>::Impl;
template class Network<double>::Impl;

}  // namespace fastfa

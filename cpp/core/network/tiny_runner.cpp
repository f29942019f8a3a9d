#include "core/network/tiny_runner.h"

namespace fastfa {
namespace {

constexpr Index tiny_bytes = 32768;  // of weights and feedback
constexpr Index tiny_units = 256;

}  // namespace

// No dropout, no removed weights, no node perturbation.
template <class T>
bool TinyRunner<T>::small_layers() const {
  if (!backend_.runs_tiny()) return false;
  if (rule_.perturbation > 0 || spec_.input_dropout > 0 || spec_.inputs > tiny_units) return false;
  Index bytes = 0;
  for (const Layer<T>& layer : layers_) {
    if (!layer.can_be_tiny() || layer.spec.dropout > 0 || layer.n_out > tiny_units) return false;
    if (has_scales(layer.spec)) return false;
    bytes += layer.w.bytes();
  }
  return bytes <= tiny_bytes;
}

// Every B must be fixed and stored, or Wᵀ of the next layer.
template <class T>
bool TinyRunner<T>::small_feedback() const {
  Index bytes = 0;
  for (const Layer<T>& layer : layers_) bytes += layer.w.bytes();
  for (const Feedback<T>& f : rule_.feedback) {
    if (!f.matrix) continue;
    if (f.spec.plasticity != Plasticity::fixed || f.spec.route == Route::target) return false;
    const Buffer<T> b = f.matrix->stored();
    if (f.spec.matrix != Matrix::transpose && !b) return false;
    if (f.spec.matrix == Matrix::transpose && f.spec.route != Route::layerwise) return false;
    bytes += b.bytes();
  }
  return bytes <= tiny_bytes;
}

// Does the layout still point to the layers' buffers? Instruments exchange them.
template <class T>
bool TinyRunner<T>::holds() const {
  for (std::size_t l = 0; l < tiny_.size(); ++l) {
    const Layer<T>& layer = layers_[l];
    if (tiny_[l].h != layer.h.data() || tiny_[l].delta != layer.delta.data()) return false;
  }
  return current_;
}

template <class T>
void TinyRunner<T>::lay_out() {
  if (holds()) return;
  forward_ = small_layers();
  feedback_ = forward_ && small_feedback();
  tiny_.clear();
  for (std::size_t l = 0; forward_ && l < layers_.size(); ++l) {
    Layer<T>& layer = layers_[l];
    TinyLayer<T>& tiny = tiny_.emplace_back();
    tiny.n_in = layer.n_in;
    tiny.w = layer.w;
    tiny.n_out = layer.n_out;
    tiny.bias = layer.bias.data();
    tiny.activation = layer.sigma;
    tiny.h = layer.h.data();
    tiny.trainable = layer.spec.trainable;
    tiny.delta = layer.delta.data();
  }
  for (std::size_t l = layers_.size() - 1; feedback_ && l-- > 0;) {
    const Feedback<T>& f = rule_.feedback[l];
    const std::size_t from = f.spec.route == Route::layerwise ? l + 1 : layers_.size() - 1;
    const bool silent = !f.matrix || (from + 1 < layers_.size() && !tiny_[from].b);
    if (silent) continue;  // δ is zero
    const bool transposed = f.spec.matrix == Matrix::transpose;
    tiny_[l].b = transposed ? layers_[l + 1].w : f.matrix->stored();
    tiny_[l].transposed = transposed;
    tiny_[l].source = layers_[from].delta.data();
    tiny_[l].n_src = layers_[from].n_out;
  }
  current_ = true;
}

template <class T>
bool TinyRunner<T>::can_forward() {
  lay_out();
  return forward_;
}

// Of the optimizers they have plain SGD alone.
template <class T>
bool TinyRunner<T>::can_step(const Optimizer& optimizer) {
  if (memory_of(optimizer) != Memory::none || limits_gradients(optimizer)) return false;
  lay_out();
  return feedback_;
}

template <class T>
void TinyRunner<T>::clear_silent_deltas() {
  for (std::size_t l = 0; l + 1 < layers_.size(); ++l) {
    Layer<T>& layer = layers_[l];
    layer.delta_zero = !tiny_[l].b;
    if (layer.delta_zero) backend_.clear(layer.delta.data(), layer.delta.ld());
  }
}

template <class T>
const std::vector<TinyLayer<T>>& TinyRunner<T>::prepare() {
  lay_out();
  clear_silent_deltas();
  return tiny_;
}

template <class T>
TinyStep<T> TinyRunner<T>::whole_step() const {
  return {tiny_.data(), static_cast<Index>(tiny_.size()), T(0), batch_.input.data(), T(0)};
}

template <class T>
bool TinyRunner<T>::forward() {
  lay_out();
  return forward_ && backend_.tiny_forward(whole_step());
}

template <class T>
bool TinyRunner<T>::feedback() {
  lay_out();
  if (!feedback_) return false;
  clear_silent_deltas();
  return backend_.tiny_feedback(whole_step());
}

template <class T>
bool TinyRunner<T>::update(const OptimizerStep<T>& change) {
  if (change.memory != Memory::none) return false;
  lay_out();
  if (!feedback_) return false;
  // The network may have got another feedback since the pass whose deltas these are.
  for (std::size_t l = 0; l + 1 < layers_.size(); ++l) {
    if (layers_[l].delta_zero == bool{tiny_[l].b}) return false;
  }
  TinyStep<T> step = whole_step();
  step.rate = change.learning.rate;
  step.decay = change.learning.decay;
  backend_.tiny_update(step);
  return true;
}

template <class T>
Index TinyRunner<T>::run(const OptimizerStep<T>& change, const Index* order, Index n,
                         EpochResult& result) {
  prepare();
  double* const loss = backend_.immediate() ? &result.loss : checks_.loss_sum();
  double* const missed = backend_.immediate() ? &result.missed : checks_.missed_sum();
  Index wrong = 0, done = 0;
  TinyRun<T> run{{tiny_.data(), static_cast<Index>(tiny_.size()), spec_.loss, rows_of(batch_.x), order,
                  rows_of(batch_.y), n, loss, &wrong, missed, &done, batch_.weight}};
  run.rate = change.learning.rate;
  run.decay = change.learning.decay;
  run.input = batch_.input.data();
  backend_.tiny_run(run);
  result.wrong += wrong;
  result.examples += done;
  return done;
}

template class TinyRunner<float>;
template class TinyRunner<double>;

}  // namespace fastfa

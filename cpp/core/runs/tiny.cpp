// Networks that are small enough to learn online within one core's cache take whole runs of steps in one
// operation. The mathematics is that of step(), which takes over where a value is out of range.
#include "core/network/network_impl.h"

namespace fastfa {
namespace {

constexpr Index tiny_bytes = 32768;  // of weights and feedback
constexpr Index tiny_units = 256;

}  // namespace

// Can the kernels of tiny networks do the forward pass? Not with dropout, removed weights or
// perturbation.
template <class T>
bool Network<T>::Impl::is_small() const {
  if (!backend_->runs_tiny()) return false;
  if (teaching_.perturbation > 0 || spec_.input_dropout > 0 || spec_.inputs > tiny_units) return false;
  Index bytes = 0;
  for (const Layer<T>& layer : layers_) {
    if (!layer.can_be_tiny() || layer.spec.dropout > 0 || layer.n_out > tiny_units) return false;
    bytes += layer.w.bytes();
  }
  return bytes <= tiny_bytes;
}

// Can they do the feedback? Every B must be fixed and stored, or Wᵀ of the next layer.
template <class T>
bool Network<T>::Impl::has_small_feedback() const {
  Index bytes = 0;
  for (const Layer<T>& layer : layers_) bytes += layer.w.bytes();
  for (const Feedback<T>& f : teaching_.feedback) {
    if (!f.matrix) continue;
    if (f.spec.plasticity != Plasticity::fixed || f.spec.route == Route::target) return false;
    const Buffer<T> b = f.matrix->stored();
    if (f.spec.matrix != Matrix::transpose && !b) return false;
    if (f.spec.matrix == Matrix::transpose && f.spec.route != Route::layerwise) return false;
    bytes += b.bytes();
  }
  return bytes <= tiny_bytes;
}

// Can they do whole steps with this optimizer? Only with plain SGD.
template <class T>
bool Network<T>::Impl::is_tiny(const Optimizer& optimizer) {
  const Sgd* sgd = std::get_if<Sgd>(&optimizer);
  return sgd && sgd->momentum == 0 && tiny_layout().feedback;
}

// Does the layout still point to the layers' buffers? Instruments exchange them.
template <class T>
bool Network<T>::Impl::tiny_holds() const {
  for (std::size_t l = 0; l < tiny_.layers.size(); ++l) {
    const Layer<T>& layer = layers_[l];
    if (tiny_.layers[l].h != layer.h.data() || tiny_.layers[l].delta != layer.delta.data()) return false;
  }
  return tiny_.current;
}

template <class T>
const TinyLayout<T>& Network<T>::Impl::tiny_layout() {
  if (tiny_holds()) return tiny_;
  tiny_.forward = is_small();
  tiny_.feedback = tiny_.forward && has_small_feedback();
  tiny_.layers.clear();
  for (std::size_t l = 0; tiny_.forward && l < layers_.size(); ++l) {
    Layer<T>& layer = layers_[l];
    tiny_.layers.push_back({layer.n_in, layer.n_out, layer.w.data(), layer.w.ld(), layer.bias.data(),
                            layer.sigma, layer.spec.trainable, layer.h.data(), layer.delta.data(),
                            nullptr, 0, 0, nullptr, 0});
  }
  for (std::size_t l = layers_.size() - 1; tiny_.feedback && l-- > 0;) {
    const Feedback<T>& f = teaching_.feedback[l];
    const std::size_t from = f.spec.route == Route::layerwise ? l + 1 : layers_.size() - 1;
    const bool silent = !f.matrix || (from + 1 < layers_.size() && !tiny_.layers[from].b);
    if (silent) continue;  // δ is zero
    const bool transposed = f.spec.matrix == Matrix::transpose;
    const Buffer<T> b = transposed ? layers_[l + 1].w : f.matrix->stored();
    tiny_.layers[l].b = b.data();
    tiny_.layers[l].ldb = b.ld();
    tiny_.layers[l].transposed = transposed;
    tiny_.layers[l].source = layers_[from].delta.data();
    tiny_.layers[l].n_src = layers_[from].n_out;
  }
  tiny_.current = true;
  return tiny_;
}

// Sets δ to zero in the layers that nothing is sent to.
template <class T>
void Network<T>::Impl::silence_tiny() {
  for (std::size_t l = 0; l + 1 < layers_.size(); ++l) {
    Layer<T>& layer = layers_[l];
    layer.delta_zero = !tiny_.layers[l].b;
    if (layer.delta_zero) backend_->clear(layer.delta.data(), layer.delta.ld());
  }
}

// The parts of a step with one example. They return false if these kernels can't do it, or if a value is
// out of range: then step() does it by operations on layers.
template <class T>
TinyStep<T> Network<T>::Impl::tiny_step() const {
  return {tiny_.layers.data(), static_cast<Index>(tiny_.layers.size()), batch_.input.data(), T(0), T(0)};
}

template <class T>
bool Network<T>::Impl::forward_tiny(Index n) {
  return backend_->immediate() && learning_ && n == 1 && tiny_layout().forward &&
         backend_->tiny_forward(tiny_step());
}

template <class T>
bool Network<T>::Impl::feedback_tiny(Index n) {
  if (!backend_->immediate() || !learning_ || n != 1 || !tiny_layout().feedback) return false;
  silence_tiny();
  return backend_->tiny_feedback(tiny_step());
}

template <class T>
bool Network<T>::Impl::update_tiny(Index n, const OptimizerStep<T>& change) {
  if (!backend_->immediate() || n != 1 || change.memory != Memory::none || !tiny_layout().feedback) {
    return false;
  }
  for (std::size_t l = 0; l + 1 < layers_.size(); ++l) {  // of the pass; the feedback may be another now
    if (layers_[l].delta_zero == (tiny_.layers[l].b != nullptr)) return false;
  }
  TinyStep<T> step = tiny_step();
  step.rate = change.learning.rate;
  step.decay = change.learning.decay;
  backend_->tiny_update(step);
  return true;
}

// Steps with the examples order[0 … n); returns how many were done. It is fewer where the next one can't
// be done.
template <class T>
Index Network<T>::Impl::run_tiny(const Optimizer& optimizer, const Index* order, Index n,
                                 EpochResult& result) {
  const OptimizerStep<T> change = optimizer_step(optimizer, 1);
  const std::vector<TinyLayer<T>>& tiny = tiny_layout().layers;
  silence_tiny();
  double* const loss = backend_->immediate() ? &result.loss : checks_.loss_sum();
  double* const missed = backend_->immediate() ? &result.missed : checks_.missed_sum();
  Index wrong = 0, done = 0;
  backend_->tiny_run(
      {{tiny.data(), static_cast<Index>(tiny.size()), spec_.loss, batch_.x.data, batch_.x.row_stride,
        batch_.y.data, batch_.y.row_stride, order, n, loss, &wrong, &done, batch_.weight, missed},
       change.learning.rate,
       change.learning.decay,
       batch_.input.data()});
  result.wrong += wrong;
  result.examples += done;
  steps_ += done;
  return done;
}

#define FASTFA_INSTANTIATE(T)                                                  \
  template bool Network<T>::Impl::is_tiny(const Optimizer&);                   \
  template bool Network<T>::Impl::tiny_holds() const;                          \
  template const TinyLayout<T>& Network<T>::Impl::tiny_layout();               \
  template void Network<T>::Impl::silence_tiny();                              \
  template bool Network<T>::Impl::forward_tiny(Index);                         \
  template bool Network<T>::Impl::feedback_tiny(Index);                        \
  template bool Network<T>::Impl::update_tiny(Index, const OptimizerStep<T>&); \
  template Index Network<T>::Impl::run_tiny(const Optimizer&, const Index*, Index, EpochResult&)
FASTFA_INSTANTIATE(float);
FASTFA_INSTANTIATE(double);

}  // namespace fastfa

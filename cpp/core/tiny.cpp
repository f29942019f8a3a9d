// Networks that are small enough to learn online within one core's cache take whole runs of steps in one
// operation. The same mathematics as step(), which does whatever is out of the ordinary.
#include "core/network_impl.h"

namespace fastfa {
namespace {

constexpr Index tiny_bytes = 32768;  // of weights and feedback
constexpr Index tiny_units = 256;

}  // namespace

// Where the paper's equations are all there is: dense, batch 1, plain SGD, B fixed and in memory or Wᵀ.
template <class T>
bool Network<T>::Impl::is_tiny(const Optimizer& optimizer) const {
  const Sgd* sgd = std::get_if<Sgd>(&optimizer);
  if (backend_->lanes() == 0) return false;
  if (!sgd || sgd->momentum != 0 || teaching_.perturbation > 0 || spec_.input_dropout > 0) return false;
  if (spec_.inputs > tiny_units) return false;
  Index bytes = 0;
  for (const Layer<T>& layer : layers_) {
    if (layer.is_local() || layer.mask || layer.spec.dropout > 0 || layer.n_out > tiny_units)
      return false;
    bytes += layer.w.bytes();
  }
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

template <class T>
std::vector<TinyLayer<T>> Network<T>::Impl::tiny_layers() {
  std::vector<TinyLayer<T>> tiny;
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    Layer<T>& layer = layers_[l];
    tiny.push_back({layer.n_in, layer.n_out, layer.w.data(), layer.w.ld(), layer.bias.data(),
                    static_cast<int>(layer.spec.activation), layer.spec.trainable, layer.h.data(),
                    layer.delta.data(), nullptr, 0, 0, nullptr, 0});
  }
  std::vector<bool> silent(layers_.size(), false);  // δ is zero
  for (std::size_t l = layers_.size() - 1; l-- > 0;) {
    const Feedback<T>& f = teaching_.feedback[l];
    const std::size_t from = f.spec.route == Route::layerwise ? l + 1 : layers_.size() - 1;
    silent[l] = !f.matrix || silent[from];
    layers_[l].delta_zero = silent[l];
    if (silent[l]) {
      backend_->clear(layers_[l].delta.data(), layers_[l].delta.ld());
      continue;
    }
    const bool transposed = f.spec.matrix == Matrix::transpose;
    const Buffer<T> b = transposed ? layers_[l + 1].w : f.matrix->stored();
    tiny[l].b = b.data();
    tiny[l].ldb = b.ld();
    tiny[l].transposed = transposed;
    tiny[l].source = layers_[from].delta.data();
    tiny[l].n_src = layers_[from].n_out;
  }
  return tiny;
}

// Steps with the examples order[0 … n), from those layers; returns how many were done. It is fewer where
// the next one can't be done.
template <class T>
Index Network<T>::Impl::run_tiny(const std::vector<TinyLayer<T>>& tiny, const Optimizer& optimizer,
                                 const Index* order, Index n, EpochResult& result) {
  const Rule<T> rule = rule_for(optimizer, 1);
  Index wrong = 0, done = 0;
  backend_->tiny_run(
      {{tiny.data(), static_cast<Index>(tiny.size()), static_cast<int>(spec_.loss), batch_.x.data,
        batch_.x.row_stride, batch_.y.data, batch_.y.row_stride, order, n, &result.loss, &wrong, &done},
       rule.learning.rate,
       rule.learning.decay,
       batch_.input.data()});
  result.wrong += wrong;
  result.examples += done;
  steps_ += done;
  return done;
}

template bool Network<float>::Impl::is_tiny(const Optimizer&) const;
template bool Network<double>::Impl::is_tiny(const Optimizer&) const;
template std::vector<TinyLayer<float>> Network<float>::Impl::tiny_layers();
template std::vector<TinyLayer<double>> Network<double>::Impl::tiny_layers();
template Index Network<float>::Impl::run_tiny(const std::vector<TinyLayer<float>>&, const Optimizer&,
                                              const Index*, Index, EpochResult&);
template Index Network<double>::Impl::run_tiny(const std::vector<TinyLayer<double>>&, const Optimizer&,
                                               const Index*, Index, EpochResult&);

}  // namespace fastfa

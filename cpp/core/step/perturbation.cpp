// Node perturbation, the paper's reinforcement learner: noise on every unit, and the change in loss as
// the only teaching signal, one number for all. On average −(L′ − L) ξ / σ² is minus the gradient of L
// by what it is added to (Werfel, Xie & Seung 2005), but its variance grows with the number of units.
#include <cmath>

#include "core/network/network_impl.h"

namespace fastfa {

// The clean pass is done and its losses are in the batch. δ_l holds the noise ξ_l until L′ is known.
template <class T>
void Network<T>::Impl::perturb(const Perturbation& by, Batch<T>& batch, Index row0) {
  const double sigma = by.sigma;
  const auto is_output = [&](std::size_t l) { return l + 1 == layers_.size(); };
  const auto is_clean = [&](std::size_t l) {  // to which no noise is added
    return is_pooling(layers_[l].spec) || (is_output(l) && by.layers == NoisyLayers::hidden);
  };
  const Buffer<T>* h = &batch.input;
  const std::vector<ColumnRange>* ranges = &batch.ranges;
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    Layer<T>& layer = layers_[l];
    const Sigma activation = is_output(l) ? Activation::linear : layer.sigma;
    const bool later = by.on == NoiseOn::activation;  // noise is added to σ(a)
    if (!layer.noisy) layer.noisy = Buffer<T>(*backend_, batch.capacity(), layer.n_out);
    layer.forward(*backend_, *h, *ranges, batch.n, later ? activation : Activation::linear, layer.noisy,
                  partial_.data(), checks_.bad());
    h = &layer.noisy;
    ranges = &layer.units;
    if (is_clean(l)) {
      if (learning_ && layer.dropped) {
        drop(layers_.number(l), layer.spec.dropout, true, layer.noisy, layer.noisy, batch.n);
      }
      continue;
    }
    Draw<T> noise = noise_of(l, Purpose::perturbation, batch.n);
    noise.row0 = row0;
    noise.distribution = Distribution::normal;
    noise.scale = static_cast<T>(sigma);
    noise.a = layer.noisy;
    noise.activation = later ? Activation::linear : activation;
    backend_->draw(noise);
    checks_.check(layers_.number(l), "a perturbed pre-activation");
    if (learning_ && layer.dropped) {  // both passes drop the same units
      drop(layers_.number(l), layer.spec.dropout, true, layer.noisy, layer.noisy, batch.n);
      drop(layers_.number(l), layer.spec.dropout, false, layer.delta, layer.delta, batch.n);
    }
    layer.delta_zero = false;
  }
  Layer<T>& top = layers_.back();
  Output<T> pack = output_of(batch, top.noisy);
  pack.loss_rows = batch.noisy_loss.data();
  pack.wrong = batch.noisy_wrong.data();
  backend_->output(pack);
  backend_->wait();
  for (Index n = 0; n < batch.n; ++n) {
    double& change = batch.noisy_loss.data()[n];
    change = -(change - batch.loss.data()[n]) / (sigma * sigma);
  }
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    Layer<T>& layer = layers_[l];
    if (is_clean(l)) continue;
    const bool later = by.on == NoiseOn::activation && !is_output(l);
    backend_->times_slope({batch.n, layer.delta, layer.n_out, layer.slope_source(),
                           later ? layer.sigma : Activation::linear, batch.noisy_loss.data(),
                           checks_.bad()});
    checks_.check(layers_.number(l), "a delta");
  }
}

template void Network<float>::Impl::perturb(const Perturbation&, Batch<float>&, Index);
template void Network<double>::Impl::perturb(const Perturbation&, Batch<double>&, Index);

}  // namespace fastfa

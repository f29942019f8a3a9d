// Feedback that learns.
#include <algorithm>
#include <cmath>
#include <utility>

#include "core/network/network_impl.h"

namespace fastfa {

// Kolen & Pollack (1994): B takes the very step that Wᵀ takes, with gradient s h_lᵀδ_source − γ B, so
// decay makes both forget how they differed. From the output (direct): Webster, Choi & Ahn (2020).
template <class T>
void Network<T>::Impl::learn_feedback(Batch<T>& batch, const OptimizerStep<T>& change) {
  for (std::size_t l = 0; l < rule_.feedback.size(); ++l) {
    Feedback<T>& f = rule_.feedback[l];
    if (f.spec.plasticity != Plasticity::kolen_pollack) continue;
    const Layer<T>& source = source_layer(f.spec.route, l);
    if (f.spec.route == Route::layerwise && (!source.spec.trainable || source.delta_zero)) continue;
    const Buffer<T>& h = layers_[l].output(learning_);
    const auto learn = [&](const Learning<T>& learning, const Parameters<T>& b) {
      if (f.matrix->learns_as_weights()) {  // B is laid out as W
        return source.learn(*backend_, learning, h, layers_[l].units, batch.n, b);
      }
      backend_->dense_update(b.dense_step(learning, batch.n, source.sent(), source.units, h, f.mask));
    };
    learn_b(f, change, change.of(source.spec), learn);
  }
  const bool scanned = recurrent_ && !recurrent_->is_online() && !recurrent_->delta_zero;
  if (!scanned || !recurrent_->spec.trainable) return;
  if (b_rec_.spec.plasticity != Plasticity::kolen_pollack) return;
  const RecurrentLayer<T>& layer = *recurrent_;
  const Buffer<T>& before = layer.scratch[2];
  backend_->copy_rows(layer.before(), before, batch.n, layer.n_out);
  learn_b(b_rec_, change, change.of(layer.spec),
          [&](const Learning<T>& learning, const Parameters<T>& b) {
            backend_->dense_update(b.dense_step(learning, batch.n, layer.delta, layer.units, before));
          });
}

template <class T>
template <class Learn>
void Network<T>::Impl::learn_b(Feedback<T>& f, const OptimizerStep<T>& change,
                               const Learning<T>& learning, const Learn& learn) {
  const Parameters<T> b{f.matrix->learned(), {}, f.of_b, {}};
  if (change.clip_value == 0) return learn(learning, b);
  clear(f.gradient);
  learn(sum_of_gradients<T>(), f.gradient);
  apply_gradient(change, learning, f.gradient, b);
}

// Akrout, Wilson, Humphreys, Lillicrap & Tweed (2019), equation 7: layer l fires n vectors of noise ξ,
// the layer above answers z = σ(W ξ + b), and B grows by η Σ ξ zᵀ, whose mean is η n Var(ξ) Wᵀ times the
// slopes. With decay, B forgets; with growth = decay / (n Var(ξ)) it is an average of what is seen.
//
// If an answer is out of range, B stays as it is. The step is over, so its buffers are free: ξ is
// written to δ_l, z to h of the layer above.
template <class T>
void Network<T>::Impl::mirror(Index n) {
  for (std::size_t l = 0; l < rule_.feedback.size(); ++l) {
    const Feedback<T>& f = rule_.feedback[l];
    if (f.spec.plasticity != Plasticity::weight_mirror || steps_ % f.spec.mirror_every != 0) continue;
    checks_.raise_pending();
    const SpareBuffers<T> spare(pass_);  // a pass that is kept stays as it was
    reserve(n);
    Layer<T>& layer = layers_[l];
    Layer<T>& above = layers_[l + 1];
    const double sigma = f.spec.mirror_noise;
    const Buffer<T>& noise = layer.delta;
    Draw<T> xi = noise_of(l, Purpose::mirror, n);
    xi.distribution = Distribution::uniform;
    xi.scale = static_cast<T>(sigma * std::sqrt(3.0));
    backend_->draw(xi);

    const bool softmax = above.sigma.kind == Activation::softmax;
    const Sigma activation = softmax ? Activation::linear : above.sigma;
    const auto answer = [&](Index rows, const Buffer<T>& to, const std::vector<ColumnRange>& heard) {
      above.forward(*backend_, noise, heard, rows, activation, to, partial_.data(), checks_.bad());
    };
    static const std::vector<ColumnRange> silence;
    const bool centred = f.spec.mirror_centred;
    if (centred) answer(1, above.delta, silence);  // σ(b)
    answer(n, above.h, layer.units);
    backend_->wait();
    if (std::exchange(*checks_.bad(), 0)) continue;
    for (Index r = 0; centred && r < n; ++r) {
      T* z = above.h.row(r);
      for (Index k = 0; k < above.n_out; ++k) z[k] -= above.delta.row(0)[k];
    }

    const auto examples = static_cast<double>(n);
    const double decay = f.spec.mirror_decay >= 0
                             ? f.spec.mirror_decay
                             : std::min(1.0, examples / (20.0 * static_cast<double>(layer.n_out)));
    const Parameters<T> b{f.matrix->learned(), {}, {}, {}};
    Learning<T> change{};
    change.rate = static_cast<T>(f.spec.mirror_growth > 0 ? f.spec.mirror_growth
                                                          : decay / (examples * sigma * sigma));
    change.decay = static_cast<T>(decay);
    backend_->dense_update(b.dense_step(change, n, above.h, above.units, noise, f.mask));
  }
}

template void Network<float>::Impl::learn_feedback(Batch<float>&, const OptimizerStep<float>&);
template void Network<double>::Impl::learn_feedback(Batch<double>&, const OptimizerStep<double>&);
template void Network<float>::Impl::mirror(Index);
template void Network<double>::Impl::mirror(Index);

}  // namespace fastfa

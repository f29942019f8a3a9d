// The larger argument packs of a step, filled.
#include "core/network/network_impl.h"

namespace fastfa {

// For the output layer, whose pre-activations are in `a`. The caller still has to say where losses and δ
// are written.
template <class T>
Output<T> Network<T>::Impl::output_of(const Batch<T>& batch, const Buffer<T>& a) {
  const Layer<T>& top = layers_.back();
  Output<T> pack{};
  pack.n = batch.n;
  pack.a = a;
  pack.n_out = top.n_out;
  pack.activation = top.sigma;
  pack.loss = spec_.loss;
  pack.y = rows_of(batch.y);
  pack.order = batch.order;
  pack.bad = checks_.bad();
  pack.weight = batch.weight;
  pack.weight_rows = batch.weight_rows.data();
  return pack;
}

// Where the error comes from depends on the route. layerwise: δ of the layer above. direct: δ of the
// output layer. target: the target itself.
template <class T>
FeedbackProduct<T> Network<T>::Impl::feedback_product(const Feedback<T>& f, std::size_t hidden,
                                                      const Batch<T>& batch) {
  const Layer<T>& layer = layers_[hidden];
  const Layer<T>& above = source_layer(f.spec.route, hidden);
  FeedbackProduct<T> product{};
  product.n = batch.n;
  product.source = f.spec.route == Route::target ? batch.target : above.sent();
  product.n_src = above.n_out;
  product.ranges = above.units;
  product.n_l = layer.n_out;
  product.h = layer.slope_source();
  product.activation = layer.sigma;
  product.delta = layer.delta;
  product.partial = partial_.data();
  product.bad = checks_.bad();
  return product;
}

template <class T>
void Network<T>::Impl::drop(int layer, double rate, bool scaled, const Buffer<T>& from,
                            const Buffer<T>& to, Index n) {
  Dropout<T> pack{};
  pack.x = from;
  pack.rows = n;
  pack.cols = from.cols();
  pack.to = to;
  pack.threshold = static_cast<std::uint32_t>(rate * 4294967296.0);
  pack.scale = static_cast<T>(scaled ? 1 / (1 - rate) : 1.0);
  pack.seed = spec_.seed;
  pack.purpose = purpose_word(Purpose::dropout, static_cast<std::uint32_t>(layer + 1));
  pack.layer = static_cast<std::uint32_t>(steps_);
  backend_->dropout(pack);
}

template <class T>
Draw<T> Network<T>::Impl::noise_of(std::size_t l, Purpose purpose, Index n) {
  Draw<T> noise{};
  noise.out = layers_[l].delta;
  noise.rows = n;
  noise.cols = layers_[l].n_out;
  noise.seed = spec_.seed;
  noise.purpose = purpose_word(purpose, static_cast<std::uint32_t>(layers_.number(l)));
  noise.layer = static_cast<std::uint32_t>(steps_);
  noise.bad = checks_.bad();
  return noise;
}

#define FASTFA_INSTANTIATE(T)                                                                         \
  template Output<T> Network<T>::Impl::output_of(const Batch<T>&, const Buffer<T>&);                  \
  template FeedbackProduct<T> Network<T>::Impl::feedback_product(const Feedback<T>&, std::size_t,     \
                                                                 const Batch<T>&);                    \
  template void Network<T>::Impl::drop(int, double, bool, const Buffer<T>&, const Buffer<T>&, Index); \
  template Draw<T> Network<T>::Impl::noise_of(std::size_t, Purpose, Index)
FASTFA_INSTANTIATE(float);
FASTFA_INSTANTIATE(double);

}  // namespace fastfa

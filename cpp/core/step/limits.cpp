// A step whose gradients are limited: they are formed first, and each parameter takes its step after
// that.
#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "core/network/network_impl.h"

namespace fastfa {

// Room for all gradients, before a step changes anything.
template <class T>
void Network<T>::Impl::reserve_gradients(const Optimizer& optimizer) {
  if (!limits_gradients(optimizer)) return;
  const auto make = [&](Buffer<T>& g, const Buffer<T>& of) {
    if (g || !of) return;
    with_room([] { return std::string("[optimizer] a gradient, for clip_norm or clip_value,"); },
              static_cast<double>(of.bytes()), [&] { g = Buffer<T>(*backend_, of.rows(), of.cols()); });
  };
  gradients_.resize(layers_.size());
  Index rows = 1;
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    if (!layers_[l].spec.trainable) continue;
    make(gradients_[l].w, layers_[l].w);
    make(gradients_[l].bias, layers_[l].bias);
    rows = std::max(rows, layers_[l].w.rows());
  }
  if (squares_.cols() < 3 * rows) squares_ = Buffer<double>(*backend_, 1, 3 * rows);
  const bool by_value = std::visit([](const auto& o) { return o.clip_value > 0; }, optimizer);
  for_feedback([&](Feedback<T>& f) {
    if (by_value && f.spec.plasticity == Plasticity::kolen_pollack)
      make(f.gradient.w, f.matrix->learned());
  });
}

template <class T>
void Network<T>::Impl::clear(const Parameters<T>& gradient) {
  for (const Buffer<T>& g : {gradient.w, gradient.bias}) {
    if (g) backend_->clear(g.data(), g.rows() * g.ld());
  }
}

// Σ g² of all elements, which the host reads.
template <class T>
double Network<T>::Impl::squares_of(const Buffer<T>& g) {
  if (!g) return 0;
  backend_->row_dots({g.rows(), g, g.cols(), g, squares_.data()});
  backend_->wait();
  double sum = 0;
  for (Index r = 0; r < g.rows(); ++r) sum += squares_.data()[3 * r];
  return sum;
}

template <class T>
void Network<T>::Impl::apply_gradient(const OptimizerStep<T>& change, const Learning<T>& learning,
                                      const Parameters<T>& gradient, const Parameters<T>& to) {
  const double limit =
      change.clip_value > 0 ? change.clip_value / change.share : std::numeric_limits<double>::infinity();
  fastfa::apply_gradient(*backend_, learning, gradient, limit, to);
}

// The norm is that of the gradients of all weights and biases that learn, as one vector. Where it is
// above the limit, all of them shrink by the same factor, and so do those of B.
template <class T>
void Network<T>::Impl::update_within_limits(Batch<T>& batch, OptimizerStep<T>& change) {
  const auto for_learning = [&](auto&& visit) {
    for (std::size_t l = 0; l < layers_.size(); ++l) {
      if (layers_[l].spec.trainable && !layers_[l].delta_zero) visit(l, layers_[l], gradients_[l]);
    }
  };
  double squares = 0;
  for_learning([&](std::size_t l, Layer<T>& layer, Parameters<T>& gradient) {
    clear(gradient);
    layer.learn(*backend_, sum_of_gradients<T>(), l > 0 ? layers_[l - 1].output(learning_) : batch.input,
                l > 0 ? layers_[l - 1].units : batch.ranges, batch.n, gradient);
    if (change.clip_norm > 0) squares += squares_of(gradient.w) + squares_of(gradient.bias);
  });
  const double norm = change.share * std::sqrt(squares);
  if (change.clip_norm > 0 && norm > change.clip_norm) {
    const auto factor = static_cast<T>(change.clip_norm / norm);
    change.learning.rate *= factor;
    change.learning.bias_rate *= factor;
  }
  for_learning([&](std::size_t, Layer<T>& layer, Parameters<T>& gradient) {
    apply_gradient(change, change.of(layer.spec), gradient, layer);
  });
}

#define FASTFA_INSTANTIATE(T)                                                                 \
  template void Network<T>::Impl::reserve_gradients(const Optimizer&);                        \
  template void Network<T>::Impl::clear(const Parameters<T>&);                                \
  template void Network<T>::Impl::apply_gradient(const OptimizerStep<T>&, const Learning<T>&, \
                                                 const Parameters<T>&, const Parameters<T>&); \
  template void Network<T>::Impl::update_within_limits(Batch<T>&, OptimizerStep<T>&)
FASTFA_INSTANTIATE(float);
FASTFA_INSTANTIATE(double);

}  // namespace fastfa

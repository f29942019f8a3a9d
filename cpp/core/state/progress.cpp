// How far training has come, to be put away and taken up again: counters and what the optimizer
// remembers.
#include <stdexcept>

#include "core/layers/mask.h"
#include "core/network/checks.h"
#include "core/network/network_impl.h"

namespace fastfa {

template <class T>
void Network<T>::Impl::reset_memory() {
  pass_.drop();
  reserve_memory(Memory::none);
  for (Layer<T>& layer : layers_) layer.clear_removed();
  for_feedback([](Feedback<T>& f) {
    if (f.matrix) f.matrix->forget();
    if (f.mask) clear_removed(f.mask, f.matrix->learned());
  });
}

template <class T>
void Network<T>::reset_memory() {
  impl_->check_reentry();
  std::lock_guard<std::mutex> lock(impl_->mutex_);
  impl_->reset_memory();
}

template <class T>
Progress Network<T>::progress() const {
  impl_->check_reentry();
  std::lock_guard<std::mutex> lock(impl_->mutex_);
  Progress p{impl_->steps_, impl_->memory_, impl_->adam_steps_, {}};
  for (std::size_t i = 0; i < impl_->fed(); ++i) {
    const Feedback<T>& f = impl_->own_feedback(i);
    const Index* since = f.matrix ? f.matrix->kept_since() : nullptr;
    p.inverted.push_back(since ? *since : -1);
  }
  return p;
}

template <class T>
void Network<T>::set_progress(const Progress& p) {
  impl_->check_reentry();
  std::lock_guard<std::mutex> lock(impl_->mutex_);
  const std::size_t fed = impl_->fed();
  const std::string where = "[set_progress] ";
  if (p.steps < 0 || p.adam_steps < 0 || p.adam_steps > p.steps) {
    refuse(where + "steps was " + std::to_string(p.steps) + " and adam_steps " +
           std::to_string(p.adam_steps) + "; it must be 0 ≤ adam_steps ≤ steps");
  }
  if (p.adam_steps > 0 && !counts_steps(p.memory)) {
    refuse(where + "adam_steps was " + std::to_string(p.adam_steps) +
           "; without memory of adam it must be 0");
  }
  if (p.inverted.size() != fed) {
    refuse(where + "inverted has " + std::to_string(p.inverted.size()) + " entries; it must have " +
           std::to_string(fed));
  }
  for (std::size_t l = 0; l < fed; ++l) {
    const Feedback<T>& f = impl_->own_feedback(l);
    const bool keeps = f.matrix && f.matrix->kept_since();
    const Index since = p.inverted[l];
    if (since < -1 || since > (keeps ? p.steps : -1)) {
      refuse(where + "inverted[" + std::to_string(l) + "] was " + std::to_string(since) +
             "; it must be " + (keeps ? "a step so far, or -1" : "-1: this feedback keeps no inverse"));
    }
  }
  impl_->reset_memory();
  impl_->reserve_memory(p.memory);
  impl_->steps_ = p.steps;
  impl_->adam_steps_ = p.adam_steps;
  for (std::size_t l = 0; l < fed; ++l) {
    if (p.inverted[l] >= 0) *impl_->own_feedback(l).matrix->kept_since() = p.inverted[l];
  }
}

template <class T>
OwnedWeights<T> Network<T>::memory(Part part, int layer, int moment) {
  impl_->check_reentry();
  std::lock_guard<std::mutex> lock(impl_->mutex_);
  impl_->reserve_memory(impl_->memory_);  // feedback that was set since the last step has none yet
  const auto at = static_cast<std::size_t>(layer);
  const auto of = [moment](const Moments<T>& m) { return moment == 0 ? m.v : m.s; };
  if (part == Part::feedback) {
    const Feedback<T>& f = impl_->own_feedback(at);
    return f.matrix ? shown(f, of(f.of_b), impl_->layer_above(at)) : OwnedWeights<T>();
  }
  const Layer<T>& l = impl_->layers_.with_weights(at);
  const Buffer<T> b = of(part == Part::weights ? l.of_w : l.of_bias);
  if (!b) return {};
  if (part == Part::weights) return {l.pattern->view(b), b.owner()};
  return {{b.data(), {b.cols()}, {1}}, b.owner()};
}

template <class T>
OwnedMatrix<T> Network<T>::kept_inverse(int hidden) const {
  impl_->check_reentry();
  std::lock_guard<std::mutex> lock(impl_->mutex_);
  const Feedback<T>& f = impl_->own_feedback(static_cast<std::size_t>(hidden));
  const Buffer<T> b = f.matrix ? f.matrix->kept() : Buffer<T>();
  return {transposed(b), b.owner()};
}

// The rest of the class is instantiated in network.cpp.
#define FASTFA_INSTANTIATE(T)                                  \
  template void Network<T>::Impl::reset_memory();              \
  template void Network<T>::reset_memory();                    \
  template Progress Network<T>::progress() const;              \
  template void Network<T>::set_progress(const Progress&);     \
  template OwnedWeights<T> Network<T>::memory(Part, int, int); \
  template OwnedMatrix<T> Network<T>::kept_inverse(int) const
FASTFA_INSTANTIATE(float);
FASTFA_INSTANTIATE(double);

}  // namespace fastfa

// The steps of an epoch without the host: one is recorded, and what differs from step to step is moved
// on by the device (ReplayState). The same operations in the same order as step() by step(), so the same
// bits.
#include <algorithm>
#include <exception>

#include "core/network/network_impl.h"

namespace fastfa {
namespace {

constexpr Index worth_recording = 8;  // steps of one kind
constexpr std::size_t most_layers = 256;

}  // namespace

// Is a step the same operations each time, none of which the host has a part in?
template <class T>
bool Network<T>::Impl::may_record() const {
  if (!backend_->can_record() || teaching_.perturbation > 0 || layers_.size() > most_layers)
    return false;
  return std::none_of(teaching_.feedback.begin(), teaching_.feedback.end(), [](const Feedback<T>& f) {
    return f.traits.runs_on_host || f.spec.plasticity == Plasticity::weight_mirror;
  });
}

// All that is written into a recording: where it differs, another one must be made.
template <class T>
std::vector<std::uintptr_t> Network<T>::Impl::recording_key(const OptimizerStep<T>& change) const {
  std::vector<std::uintptr_t> key;
  const auto add = [&](const auto* pointer) {
    key.push_back(reinterpret_cast<std::uintptr_t>(pointer));
  };
  const auto add_moments = [&](const Moments<T>& m) {
    add(m.v.data());
    add(m.s.data());
  };
  const auto add_number = [&](T number) {
    const auto wide = static_cast<double>(number);
    std::uint64_t bits = 0;
    static_assert(sizeof(bits) == sizeof(wide));
    std::copy_n(reinterpret_cast<const char*>(&wide), sizeof(wide), reinterpret_cast<char*>(&bits));
    key.push_back(static_cast<std::uintptr_t>(bits));
  };
  add(batch_.x.data);
  add(batch_.y.data);
  add(batch_.weight);
  for (Index number : {batch_.x.row_stride, batch_.y.row_stride, batch_.n, batch_.capacity(),
                       static_cast<Index>(change.memory), backend_->allocations()}) {
    key.push_back(static_cast<std::uintptr_t>(number));
  }
  add(batch_.input.data());
  add(batch_.target.data());
  add(batch_.loss.data());
  add(batch_.weight_rows.data());
  add(recorded_.order.data());
  const Learning<T>& u = change.learning;
  for (T number : {u.rate, u.decay, u.momentum, u.fresh, u.fresh2, u.epsilon}) add_number(number);
  for (const Layer<T>& layer : layers_) {
    for (const Buffer<T>* part : {&layer.w, &layer.bias, &layer.h, &layer.delta, &layer.dropped}) {
      add(part->data());
    }
    for (const Buffer<T>& part : layer.scratch) add(part.data());
    add_moments(layer.of_w);
    add_moments(layer.of_bias);
  }
  for (const Feedback<T>& f : teaching_.feedback) add_moments(f.of_b);
  return key;
}

// Makes the recording of a step with batch_.n examples, which changes nothing else.
template <class T>
void Network<T>::Impl::record(const Optimizer& optimizer) {
  const std::int64_t steps = steps_, adam_steps = adam_steps_;
  const Index examples = checks_.examples();
  const Index* const order = batch_.order;
  const auto restore = [&] {
    steps_ = steps;
    adam_steps_ = adam_steps;
    batch_.order = order;
    recorded_.sites = checks_.take_recorded(examples);
  };
  recorded_.graph = nullptr;
  backend_->begin_record(recorded_.state);
  try {
    backend_->next_batch(recorded_.state, batch_.n, recorded_.order.data());
    batch_.order = recorded_.order.data();
    step(batch_, optimizer, {});
  } catch (...) {
    restore();
    try {
      backend_->end_record();
    } catch (const std::exception&) {  // because of what is thrown on
    }
    throw;
  }
  restore();
  recorded_.graph = backend_->end_record();
}

// `count` steps with the examples order[0 …), all batches whole. Buffers must be there: a step was done
// before. False: it isn't worth it, and nothing was done.
template <class T>
bool Network<T>::Impl::replay(const Optimizer& optimizer, const Index* order, Index count) {
  checks_.raise_pending();
  Recorded& r = recorded_;
  if (!r.memory) {
    r.memory = backend_->allocate(sizeof(ReplayState));
    r.state = static_cast<ReplayState*>(r.memory.get());
  }
  if (r.order.cols() < batch_.capacity()) r.order = Buffer<Index>(*backend_, 1, batch_.capacity());
  const std::int64_t adam_steps = adam_steps_;
  const OptimizerStep<T> change = optimizer_step(optimizer, batch_.n);
  adam_steps_ = adam_steps;
  const bool adam = change.memory == Memory::adam;
  if (adam && r.schedule.cols() < 2 * count) r.schedule = Buffer<double>(*backend_, 1, 2 * count);
  std::vector<std::uintptr_t> key = recording_key(change);
  if (!r.graph || key != r.key) {
    if (count < worth_recording) return false;
    record(optimizer);
    r.key = std::move(key);
  }
  if (adam) {  // Adam's step and root, which the host computes
    for (Index k = 0; k < count; ++k) {
      const Learning<T> u = optimizer_step(optimizer, batch_.n).learning;
      r.schedule.data()[2 * k] = static_cast<double>(u.step);
      r.schedule.data()[2 * k + 1] = static_cast<double>(u.root);
    }
  }
  *r.state = {order, 0, steps_, 0, steps_, adam ? r.schedule.data() : nullptr, 0, 0, -1, 0};
  for (Index k = 0; k < count; ++k) backend_->replay(r.graph);
  backend_->wait();
  if (*checks_.halted()) {
    auto site = r.sites[static_cast<std::size_t>(r.state->site)];
    site.step = r.state->halted_at;
    site.adam_step = adam ? adam_steps + (site.step - r.state->first) : adam_steps;
    checks_.raise(site);
  }
  steps_ += count;
  checks_.add_examples(count * batch_.n);
  return true;
}

#define FASTFA_INSTANTIATE(T)                                                                          \
  template bool Network<T>::Impl::may_record() const;                                                  \
  template std::vector<std::uintptr_t> Network<T>::Impl::recording_key(const OptimizerStep<T>&) const; \
  template void Network<T>::Impl::record(const Optimizer&);                                            \
  template bool Network<T>::Impl::replay(const Optimizer&, const Index*, Index)
FASTFA_INSTANTIATE(float);
FASTFA_INSTANTIATE(double);

}  // namespace fastfa

#include <algorithm>
#include <exception>

#include "core/network/network_impl.h"

namespace fastfa {
namespace {

constexpr Index worth_recording = 8;  // steps of one kind
constexpr std::size_t most_layers = 256;

}  // namespace

template <class T>
bool Recorder<T>::can_record(const Optimizer& optimizer) const {
  if (limits_gradients(optimizer)) return false;
  const bool scheduled = keeps_squares(memory_of(optimizer));
  for (const LayerSpec& layer : net_.spec_.layers) {
    if (scheduled && has_scales(layer)) return false;  // its steps are others than the schedule's
  }
  if (!net_.backend_->can_record() || net_.rule_.perturbation.sigma > 0 ||
      net_.layers_.size() > most_layers) {
    return false;
  }
  const std::vector<Feedback<T>>& feedback = net_.rule_.feedback;
  return std::none_of(feedback.begin(), feedback.end(), [](const Feedback<T>& f) {
    return f.traits.runs_on_host || f.spec.plasticity == Plasticity::weight_mirror;
  });
}

// Everything that a recording contains. If any of it changes, a new recording is made.
template <class T>
std::vector<std::uintptr_t> Recorder<T>::key(const OptimizerStep<T>& change) const {
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
  const Batch<T>& batch = net_.batch_;
  add(batch.x.data);
  add(batch.y.data);
  add(batch.weight);
  for (Index number : {batch.x.row_stride, batch.y.row_stride, batch.n, batch.capacity(),
                       static_cast<Index>(change.memory), net_.backend_->allocations()}) {
    key.push_back(static_cast<std::uintptr_t>(number));
  }
  add(batch.input.data());
  add(batch.target.data());
  add(batch.loss.data());
  add(batch.weight_rows.data());
  add(order_.data());
  const Learning<T>& u = change.learning;
  for (T number : {u.rate, u.decay, u.momentum, u.fresh, u.fresh2, u.epsilon}) add_number(number);
  key.push_back((u.nesterov ? 1u : 0u) + (u.decoupled ? 2u : 0u));
  for (const Layer<T>& layer : net_.layers_) {
    for (const Buffer<T>* part : {&layer.w, &layer.bias, &layer.h, &layer.delta, &layer.dropped}) {
      add(part->data());
    }
    for (const Buffer<T>& part : layer.scratch) add(part.data());
    add_moments(layer.of_w);
    add_moments(layer.of_bias);
  }
  for (const Feedback<T>& f : net_.rule_.feedback) add_moments(f.of_b);
  return key;
}

// Records a step with as many examples as the batch has, and changes nothing else.
template <class T>
void Recorder<T>::record(const Optimizer& optimizer) {
  const std::int64_t steps = net_.steps_, adam_steps = net_.adam_steps_;
  const Index examples = net_.checks_.examples();
  const Index* const order = net_.batch_.order;
  const auto restore = [&] {
    net_.steps_ = steps;
    net_.adam_steps_ = adam_steps;
    net_.batch_.order = order;
    sites_ = net_.checks_.take_recorded(examples);
  };
  graph_ = nullptr;
  net_.backend_->begin_record(state_);
  try {
    net_.backend_->next_batch(state_, net_.batch_.n, order_.data());
    net_.batch_.order = order_.data();
    net_.step(net_.batch_, optimizer, {});
  } catch (...) {
    restore();
    try {
      net_.backend_->end_record();
    } catch (const std::exception&) {  // NOLINT(bugprone-empty-catch): the first error is thrown on
    }
    throw;
  }
  restore();
  graph_ = net_.backend_->end_record();
}

template <class T>
bool Recorder<T>::replay(const Optimizer& optimizer, const Index* order, Index count) {
  Backend<T>& backend = *net_.backend_;
  RangeChecks<T>& checks = net_.checks_;
  const Batch<T>& batch = net_.batch_;
  checks.raise_pending();
  if (!memory_) {
    memory_ = backend.allocate(sizeof(ReplayState));
    state_ = static_cast<ReplayState*>(memory_.get());
  }
  if (order_.cols() < batch.capacity()) order_ = Buffer<Index>(backend, 1, batch.capacity());
  const std::int64_t adam_steps = net_.adam_steps_;
  const OptimizerStep<T> change = net_.optimizer_step(optimizer, batch.n);
  net_.adam_steps_ = adam_steps;
  const bool scheduled = keeps_squares(change.memory), counts = counts_steps(change.memory);
  if (scheduled && schedule_.cols() < 2 * count) schedule_ = Buffer<double>(backend, 1, 2 * count);
  std::vector<std::uintptr_t> now = key(change);
  if (!graph_ || now != key_) {
    if (count < worth_recording) return false;
    record(optimizer);
    key_ = std::move(now);
  }
  if (scheduled) {  // step and root, which the host computes
    for (Index k = 0; k < count; ++k) {
      const Learning<T> u = net_.optimizer_step(optimizer, batch.n).learning;
      schedule_.data()[2 * k] = static_cast<double>(u.step);
      schedule_.data()[2 * k + 1] = static_cast<double>(u.root);
    }
  }
  *state_ = {order, 0, net_.steps_, 0, net_.steps_, scheduled ? schedule_.data() : nullptr, 0, 0, -1, 0};
  for (Index k = 0; k < count; ++k) backend.replay(graph_);
  backend.wait();
  if (*checks.halted()) {
    auto site = sites_[static_cast<std::size_t>(state_->site)];
    site.step = state_->halted_at;
    site.adam_step = counts ? adam_steps + (site.step - state_->first) : adam_steps;
    checks.raise(site);
  }
  net_.steps_ += count;
  checks.add_examples(count * batch.n);
  return true;
}

template class Recorder<float>;
template class Recorder<double>;

}  // namespace fastfa

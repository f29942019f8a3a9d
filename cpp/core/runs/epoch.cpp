// The epoch loop: batches in order, by whichever way of doing a step is the fastest.
#include <algorithm>
#include <string>

#include "core/network/checks.h"
#include "core/network/network_impl.h"

namespace fastfa {

template <class T>
EpochResult Network<T>::train_epoch(MatrixView<const T> x, MatrixView<const T> y,
                                    const Optimizer& optimizer, std::int64_t batch_size,
                                    const std::int64_t* order, std::int64_t n, const Poll& poll,
                                    double* loss_sum) {
  EpochSums sums{loss_sum ? *loss_sum : 0.0, 0.0, 0.0};
  const EpochResult result =
      train_epoch(x, y, optimizer, batch_size, order, n, poll, &sums, static_cast<const T*>(nullptr));
  if (loss_sum) *loss_sum = sums.loss;
  return result;
}

template <class T>
EpochResult Network<T>::train_epoch(MatrixView<const T> x, MatrixView<const T> y,
                                    const Optimizer& optimizer, std::int64_t batch_size,
                                    const std::int64_t* order, std::int64_t n, const Poll& poll,
                                    EpochSums* sums, const T* sample_weight) {
  impl_->check_training(x, y, optimizer, batch_size, order, n, sample_weight);
  Session<T> session(*impl_);
  EpochResult result;
  const EpochSums before = sums ? *sums : EpochSums{};
  result.loss = before.loss;
  result.missed = before.missed;
  impl_->train(x, y, optimizer, batch_size, order, n, poll, result, sample_weight);
  if (result.examples == 0) return result;
  const EpochSums after = conclude(result, before, sample_weight, order, n);
  if (sums) *sums = after;
  return result;
}

template <class T>
void Network<T>::Impl::check_training(MatrixView<const T> x, MatrixView<const T> y,
                                      const Optimizer& optimizer, Index batch_size, const Index* order,
                                      Index n, const T* sample_weight) const {
  check_data("train_epoch", x, &y);
  if (batch_size < 1) {
    refuse("[train_epoch] batch_size was " + std::to_string(batch_size) + "; it must be positive");
  }
  check_optimizer(optimizer, std::min(batch_size, n), spec_.layers);
  for (Index i = 0; i < n; ++i) {
    if (order[i] < 0 || order[i] >= x.rows) {
      refuse("[train_epoch] order[" + std::to_string(i) + "] was " + std::to_string(order[i]) +
             "; it must be in 0 … " + std::to_string(x.rows - 1));
    }
  }
  check_weights("train_epoch", sample_weight, order, n);
}

// The kernels of tiny networks don't apply deferred updates, so networks that use them defer none.
template <class T>
bool Network<T>::Impl::can_defer(const Optimizer& optimizer) {
  const bool plain = memory_of(optimizer) == Memory::none && !limits_gradients(optimizer);
  if (!backend_->immediate() || !plain || tiny_.can_forward()) return false;
  for (const LayerSpec& layer : spec_.layers) {
    if (layer.activator) return false;
  }
  for (std::size_t l = 0; l < rule_.feedback.size(); ++l) {
    const Feedback<T>& f = rule_.feedback[l];
    const bool reads = f.traits.reads_weights_before_forward && layers_[l + 1].can_defer();
    if (f.spec.plasticity != Plasticity::fixed || f.traits.is_code || reads) return false;
  }
  return true;
}

template <class T>
void Network<T>::Impl::catch_up() {
  for (Layer<T>& layer : layers_) layer.catch_up(*backend_);
}

template <class T>
void Network<T>::Impl::ready(const Optimizer& optimizer, Index batch) {
  pass_.drop();
  reserve(batch);
  reserve_memory(memory_of(optimizer));
  reserve_gradients(optimizer);
}

template <class T>
void Network<T>::Impl::train(MatrixView<const T> x, MatrixView<const T> y, const Optimizer& optimizer,
                             Index batch_size, const Index* order, Index n, const Poll& poll,
                             EpochResult& result, const T* sample_weight) {
  ready(optimizer, std::min(batch_size, n));
  // poll() is called about every 20 ms.
  double work = 0;
  for (const Layer<T>& layer : layers_) work += 6.0 * layer.work();
  work *= static_cast<double>(batch_size);
  // Deferred updates are applied at the end, also where an exception ends the training.
  struct Deferring {
    Impl& net;
    Deferring(Impl& n, bool on) : net(n) { net.deferring_ = on; }
    ~Deferring() {
      net.deferring_ = false;
      net.catch_up();
    }
  };
  const Index polls =
      std::max(Index{1}, static_cast<Index>(0.02 * backend_->pace() / (work + backend_->step_cost())));

  const Poll never;
  batch_.x = readable(0, x);
  batch_.y = readable(1, y);
  batch_.weight = readable_weights(6, sample_weight, x.rows);
  order = static_cast<const Index*>(
      backend_->readable(2, order, static_cast<std::size_t>(n) * sizeof(Index)));
  // Steps are done in whole runs by the kernels of tiny networks, as replays of a recorded step, or one
  // by one. Updates may be left to the next forward pass.
  const bool tiny = batch_size == 1 && tiny_.can_step(optimizer), ahead = !backend_->immediate();
  bool recording = ahead && !tiny && recorder_.can_record(optimizer);
  if (ahead) checks_.begin_sums(result);
  const Deferring deferring(*this, batch_size <= small_batch && can_defer(optimizer));
  for (Index at = 0; at < n;) {
    catch_up();
    if (asks_to_stop(poll)) throw Interrupted();
    const Index begin = at, end = polls > (n - at) / batch_size ? n : at + polls * batch_size;
    if (tiny) {
      const Index done = tiny_.run(optimizer_step(optimizer, 1), order + at, end - at, result);
      steps_ += done;
      at += done;
    }
    while (at < end) {
      batch_.order = order + at;
      batch_.n = std::min(batch_size, n - at);
      const Index whole = (end - at) / batch_size;
      if (recording && at > 0 && whole > 0) {  // the first step has made what buffers were missing
        recording = recorder_.replay(optimizer, batch_.order, whole);
        if (recording) {
          at += whole * batch_size;
          continue;
        }
      }
      step(batch_, optimizer, at == begin ? poll : never);
      if (!ahead) batch_.add_to(result);
      at += batch_size;
    }
    if (ahead) checks_.raise_pending();
  }
  if (ahead) checks_.fetch_sums(result);
}

// The rest of the class is instantiated in network.cpp.
#define FASTFA_INSTANTIATE(T)                                                                           \
  template EpochResult Network<T>::train_epoch(MatrixView<const T>, MatrixView<const T>,                \
                                               const Optimizer&, std::int64_t, const std::int64_t*,     \
                                               std::int64_t, const Poll&, double*);                     \
  template EpochResult Network<T>::train_epoch(MatrixView<const T>, MatrixView<const T>,                \
                                               const Optimizer&, std::int64_t, const std::int64_t*,     \
                                               std::int64_t, const Poll&, EpochSums*, const T*);        \
  template void Network<T>::Impl::check_training(                                                       \
      MatrixView<const T>, MatrixView<const T>, const Optimizer&, Index, const Index*, Index, const T*) \
      const;                                                                                            \
  template void Network<T>::Impl::catch_up();                                                           \
  template void Network<T>::Impl::ready(const Optimizer&, Index);                                       \
  template void Network<T>::Impl::train(MatrixView<const T>, MatrixView<const T>, const Optimizer&,     \
                                        Index, const Index*, Index, const Poll&, EpochResult&,          \
                                        const T*)
FASTFA_INSTANTIATE(float);
FASTFA_INSTANTIATE(double);

}  // namespace fastfa

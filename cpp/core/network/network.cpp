// Construction and the calls of the public Network, apart from those about feedback
// (network_feedback.cpp) and epochs (epoch.cpp). What a step does is in step.cpp.
#include <algorithm>
#include <limits>
#include <stdexcept>
#include <string>

#include "core/base/sizes.h"
#include "core/network/checks.h"
#include "core/network/network_impl.h"

namespace fastfa {
namespace {

// Refuses an embedder's matrix that spans more numbers than can be addressed.
template <class T>
void check_span(const char* call, const char* what, const MatrixView<T>& m) {
  const auto fits = [](Index count, Index stride) {
    const bool negative = stride < 0 && stride != std::numeric_limits<Index>::min();
    return count < 1 || size_product_or_less({count, negative ? -stride : stride}) >= 0;
  };
  if (fits(m.rows, m.row_stride) && fits(m.cols, m.col_stride)) return;
  refuse("[" + std::string(call) + "] " + what + " spans " + std::to_string(m.rows) + " rows, " +
         std::to_string(m.row_stride) + " numbers apart, and " + std::to_string(m.cols) + " columns, " +
         std::to_string(m.col_stride) + " apart; it must be at most 2^59 numbers each way");
}

// Refuses an embedder's matrix for results that has the wrong shape.
template <class T>
void check_out(const char* call, const MatrixView<T>& out, Index rows, Index cols) {
  check_span(call, "out", out);
  if (out.data && out.rows == rows && out.cols == cols) return;
  const std::string shape = "(" + std::to_string(out.rows) + ", " + std::to_string(out.cols) + ")";
  refuse("[" + std::string(call) + "] out" + (out.data ? " has shape " + shape : " was null") +
         "; it must be (" + std::to_string(rows) + ", " + std::to_string(cols) + ")");
}
template <class T>
void check_out(const char* call, const std::vector<MatrixView<T>>& out, Index rows,
               const Layers<T>& layers) {
  if (out.size() > layers.weighted()) {
    refuse("[" + std::string(call) + "] out has " + std::to_string(out.size()) +
           " matrices; there are " + std::to_string(layers.weighted()) + " layers");
  }
  for (std::size_t i = 0; i < out.size(); ++i) {
    check_out(call, out[i], rows, layers.with_weights(i).n_out);
  }
}

}  // namespace

DivergenceError::DivergenceError(int layer, std::int64_t step, std::int64_t time,
                                 const std::string& what)
    : std::runtime_error(what), layer_(layer), step_(step), time_(time) {}
DeviceError::DeviceError(const std::string& what) : std::runtime_error(what) {}
Interrupted::Interrupted() : std::runtime_error("[fastfa] interrupted") {}
OrderError::OrderError(const std::string& what) : std::logic_error(what) {}

template <class T>
Network<T>::Impl::Impl(const NetworkSpec& spec) : spec_(spec), backend_(make_backend<T>(spec.device)) {
  check_spec<T>(spec);
  spec_.feedback.clear();  // arrays may be large, and the matrices have them
  for (LayerSpec& layer : spec_.layers) {
    if (layer.recurrent.matrix) std::vector<double>().swap(layer.recurrent.matrix->values);
  }
  stream_ = backend_->stream();
  for (const LayerSpec& layer : spec_.layers) {
    const Index n_in = layers_.empty() ? spec.inputs : layers_.back().n_out;
    const std::size_t l = layers_.size();
    const auto weights = static_cast<double>(make_pattern<T>(layer, n_in)->count());
    with_room([&] { return "[Network] layers[" + std::to_string(l) + "]"; },
              static_cast<double>(sizeof(T)) * weights,
              [&] {
                layers_.add(kind_of<T>(layer).make_layer(
                    *backend_, layer, n_in, spec.seed, static_cast<std::uint32_t>(layers_.weighted())));
              });
  }
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    if (!is_recurrent(spec.layers[l])) continue;
    recurrent_ = static_cast<RecurrentLayer<T>*>(&layers_[l]);
    recurrent_at_ = l;
    b_rec_ = make_recurrent_feedback<T>(*backend_, spec.layers[l], spec.seed,
                                        static_cast<std::uint32_t>(layers_.number(l)));
  }
  rule_ = make_rule<T>(*backend_, spec.feedback, spec.perturbation, spec_);
  all_inputs_ = all_columns(spec.inputs);
  Index widest = 1;
  for (const Layer<T>& layer : layers_) widest = std::max(widest, layer.n_out);
  partial_ = Buffer<T>(*backend_, partial_rows, padded_cols(widest));
}

template <class T>
void Network<T>::Impl::reserve(Index batch) {
  if (batch <= batch_.capacity()) return;
  tiny_.forget_layout();
  double width = static_cast<double>(spec_.inputs);
  for (const Layer<T>& layer : layers_) width += 2 * static_cast<double>(layer.n_out);
  with_room([&] { return "[Network] a batch of " + std::to_string(batch) + " examples"; },
            static_cast<double>(sizeof(T)) * width * static_cast<double>(batch),
            [&] {
              for (Layer<T>& layer : layers_) layer.reserve(*backend_, batch);
              // Last, because its size is the capacity of all.
              batch_.reserve(*backend_, batch, spec_.inputs, layers_.back().n_out);
            });
}

// If the optimizer needs another kind of memory than the one before, that one's memory is dropped.
template <class T>
void Network<T>::Impl::reserve_memory(Memory memory) {
  if (memory != memory_) {
    memory_ = memory;
    adam_steps_ = 0;
    for (Layer<T>& layer : layers_) layer.reserve_memory(*backend_, Memory::none);
    for_feedback([](Feedback<T>& f) { f.of_b = {}; });
  }
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    Layer<T>& layer = layers_[l];
    if (!layer.spec.trainable) continue;
    const double moments = keeps_mean(memory) + keeps_squares(memory);
    with_room([&] { return "[Network] the optimizer's memory of layers[" + std::to_string(l) + "]"; },
              moments * static_cast<double>(layer.w.bytes()),
              [&] { layer.reserve_memory(*backend_, memory); });
  }
  for_feedback([&](Feedback<T>& f) {
    if (f.spec.plasticity != Plasticity::kolen_pollack) return;
    const Buffer<T> b = f.matrix->learned();
    f.of_b.reserve(*backend_, memory, b.rows(), b.cols());
  });
}

// If another thread held the network at the fork, the child can't use it: it may be half changed. If the
// forking thread held it, that thread goes on in the child and releases it. Within an ensemble the child
// can't use it either, because other threads were training the same networks.
template <class T>
void Network<T>::Impl::in_child() {
  const auto is_free = [](std::mutex& mutex) {
    const std::unique_lock<std::mutex> lock(mutex, std::try_to_lock);
    return lock.owns_lock();
  };
  const bool own = holder_ == std::this_thread::get_id() && !together_;
  if (!backend_->immediate() || !(own || is_free(mutex_)) || !is_free(rule_mutex_)) lost_ = true;
}

template <class T>
void Network<T>::Impl::check_usable() const {
  if (lost_) throw ForkedWithin();
}

template <class T>
void Network<T>::Impl::check_reentry() const {
  check_usable();
  const void* const self = this;
  const bool together =
      held_together && std::count(held_together->begin(), held_together->end(), self) > 0;
  if (together || holder_ == std::this_thread::get_id()) {
    throw std::runtime_error(
        "[Network] the network was called from within a call of its own; neither propagate() of its "
        "feedback nor a signal handler may use it meanwhile");
  }
}

// A step needs no deltas below this layer.
template <class T>
int Network<T>::Impl::lowest_trainable() const {
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    if (layers_[l].spec.trainable) return static_cast<int>(l);
  }
  return static_cast<int>(layers_.size());
}

template <class T>
void Network<T>::Impl::check_data(const char* call, const MatrixView<const T>& x,
                                  const MatrixView<const T>* y) const {
  const std::string where = std::string("[") + call + "] ";
  if (recurrent_) check_no_recurrent(call);
  check_span(call, "X", x);
  if (y) check_span(call, "Y", *y);
  if (x.cols != spec_.inputs || x.col_stride != 1) {
    refuse(where + "X has " + std::to_string(x.cols) + " columns; the network has " +
           std::to_string(spec_.inputs) + " inputs, contiguous in each row");
  }
  if (!y) return;
  const Index n_out = layers_.back().n_out;
  if (y->cols != n_out || y->col_stride != 1) {
    refuse(where + "Y has " + std::to_string(y->cols) + " columns; the network has " +
           std::to_string(n_out) + " outputs, contiguous in each row");
  }
  if (y->rows != x.rows) {
    refuse(where + "Y has " + std::to_string(y->rows) + " rows; X has " + std::to_string(x.rows));
  }
}

// As Backend::readable(). If the row stride is negative, the array begins with its last row.
template <class T>
MatrixView<const T> Network<T>::Impl::readable(int slot, MatrixView<const T> from) {
  if (from.rows == 0) return from;
  const Index last = (from.rows - 1) * from.row_stride, lowest = std::min(Index{0}, last);
  const auto count = static_cast<std::size_t>(std::max(Index{0}, last) - lowest + from.cols);
  const void* at = backend_->readable(slot, from.data + lowest, count * sizeof(T));
  from.data = static_cast<const T*>(at) - lowest;
  return from;
}

template <class T>
const T* Network<T>::Impl::readable_weights(int slot, const T* sample_weight, Index n) {
  if (!sample_weight) return nullptr;
  const std::size_t bytes = static_cast<std::size_t>(n) * sizeof(T);
  return static_cast<const T*>(backend_->readable(slot, sample_weight, bytes));
}

// n examples as they lie in x and y, from `first` on.
template <class T>
void Network<T>::Impl::set_batch(MatrixView<const T> x, MatrixView<const T> y, Index first, Index n,
                                 const T* sample_weight) {
  batch_.n = n;
  batch_.order = batch_.natural.data();
  const auto rows = [&](int slot, MatrixView<const T> from) {
    if (!from.data) return from;
    from.data += first * from.row_stride;
    from.rows = n;
    return readable(slot, from);
  };
  batch_.x = rows(0, x);
  batch_.y = rows(1, y);
  batch_.weight = readable_weights(6, sample_weight ? sample_weight + first : nullptr, n);
}

template <class T>
Network<T>::Network(const NetworkSpec& spec) : impl_(new Impl(spec)) {}
template <class T>
Network<T>::~Network() {
  if (impl_->lost_) static_cast<void>(impl_.release());  // half changed, it can't be taken apart
}

template <class T>
int Network<T>::layers() const {
  return static_cast<int>(impl_->layers_.weighted());
}
template <class T>
std::int64_t Network<T>::inputs() const {
  return impl_->spec_.inputs;
}
template <class T>
std::int64_t Network<T>::units(int layer) const {
  return impl_->layers_.with_weights(static_cast<std::size_t>(layer)).n_out;
}
template <class T>
std::int64_t Network<T>::steps() const {
  return impl_->steps_;
}
template <class T>
WeightView<T> Network<T>::weights(int layer) const {
  impl_->check_usable();
  const Layer<T>& l = impl_->layers_.with_weights(static_cast<std::size_t>(layer));
  return l.pattern->view(l.w);
}
template <class T>
MatrixView<T> Network<T>::biases(int layer) const {
  impl_->check_usable();
  const Buffer<T>& b = impl_->layers_.with_weights(static_cast<std::size_t>(layer)).bias;
  return {b.data(), 1, b.cols(), b.ld(), 1};
}
template <class T>
void Network<T>::forward(MatrixView<const T> x, MatrixView<T> out, const Poll& poll) {
  impl_->check_data("forward", x, nullptr);
  check_out("forward", out, x.rows, impl_->layers_.back().n_out);
  Session<T> session(*impl_);
  const SpareBuffers<T> spare(impl_->pass_);
  impl_->in_blocks(x, {}, poll, [&](Index first, Index n) {
    impl_->error(impl_->batch_, false);
    impl_->checks_.raise_pending();
    impl_->copy_out(impl_->layers_.back().h, n, out, first);
  });
}

template <class T>
void Network<T>::activations(MatrixView<const T> x, const std::vector<MatrixView<T>>& out,
                             const Poll& poll) {
  impl_->check_data("activations", x, nullptr);
  check_out("activations", out, x.rows, impl_->layers_);
  Session<T> session(*impl_);
  const SpareBuffers<T> spare(impl_->pass_);
  impl_->in_blocks(x, {}, poll, [&](Index first, Index n) {
    impl_->error(impl_->batch_, false);
    impl_->checks_.raise_pending();
    for (std::size_t l = 0; l < out.size(); ++l)
      copy_rows(impl_->layers_.with_weights(l).h, n, out[l], first);
  });
}

template <class T>
void Network<T>::deltas(MatrixView<const T> x, MatrixView<const T> y,
                        const std::vector<MatrixView<T>>& out, const std::vector<FeedbackSpec>* feedback,
                        const Perturbation& perturbation, const Poll& poll) {
  deltas(x, y, out, feedback, perturbation, poll, nullptr);
}

template <class T>
void Network<T>::deltas(MatrixView<const T> x, MatrixView<const T> y,
                        const std::vector<MatrixView<T>>& out, const std::vector<FeedbackSpec>* feedback,
                        const Perturbation& perturbation, const Poll& poll, const T* sample_weight) {
  impl_->check_data("deltas", x, &y);
  check_weights("deltas", sample_weight, nullptr, x.rows);
  check_out("deltas", out, x.rows, impl_->layers_);
  LearningRule<T> other;  // destroyed after the locks are released: that may run the caller's code
  Session<T> session(*impl_);
  const bool own = !feedback && perturbation.sigma == 0;
  if (!own) {
    other = make_rule<T>(*impl_->backend_, feedback ? *feedback : std::vector<FeedbackSpec>(),
                         perturbation, impl_->spec_);
  }
  LearningRule<T>& rule = own ? impl_->rule_ : other;
  const SpareBuffers<T> spare(impl_->pass_);
  impl_->prepare(rule);
  const auto visit = [&](Index first, Index n) {
    impl_->compute_deltas(rule, impl_->batch_, 0, first);
    impl_->checks_.raise_pending();
    for (std::size_t l = 0; l < out.size(); ++l)
      copy_rows(impl_->layers_.with_weights(l).delta, n, out[l], first);
  };
  impl_->in_blocks(x, y, poll, visit, sample_weight);
}

template <class T>
EpochResult Network<T>::evaluate(MatrixView<const T> x, MatrixView<const T> y, const Poll& poll) {
  return evaluate(x, y, poll, nullptr);
}

template <class T>
EpochResult Network<T>::evaluate(MatrixView<const T> x, MatrixView<const T> y, const Poll& poll,
                                 const T* sample_weight) {
  impl_->check_data("evaluate", x, &y);
  check_weights("evaluate", sample_weight, nullptr, x.rows);
  Session<T> session(*impl_);
  EpochResult result;
  const SpareBuffers<T> spare(impl_->pass_);
  const auto visit = [&](Index, Index) {
    impl_->error(impl_->batch_, false);
    impl_->checks_.raise_pending();
    impl_->batch_.add_to(result);
  };
  impl_->in_blocks(x, y, poll, visit, sample_weight);
  if (result.examples > 0) conclude(result, {}, sample_weight, nullptr, result.examples);
  return result;
}

template class Network<float>;
template class Network<double>;

}  // namespace fastfa

// Construction, checks and the calls of the public Network; what a step does is in step.cpp.
#include <algorithm>
#include <stdexcept>
#include <string>

#include "core/network_impl.h"
#include "core/text.h"
#include "fastfa/names.h"

namespace fastfa {
namespace {

constexpr Index largest = Index{1} << 31;  // of a layer: kernels count columns in 32 bits
constexpr Index block_rows = 128;          // of calls that only look

[[noreturn]] void refuse(const std::string& message) { throw std::invalid_argument(message); }

template <class T>
void check_spec(const NetworkSpec& spec) {
  const auto bad_size = [](Index n) { return n < 1 || n >= largest; };
  if (bad_size(spec.inputs)) {
    refuse("[Network] input was " + std::to_string(spec.inputs) + "; it must be a positive integer");
  }
  if (spec.layers.empty()) refuse("[Network] layers was empty; it must have at least one layer");
  for (std::size_t l = 0; l < spec.layers.size(); ++l) {
    const DenseSpec& layer = spec.layers[l];
    const std::string where = "[Network] layers[" + std::to_string(l) + "]";
    if (bad_size(layer.units)) {
      refuse(where + ".units was " + std::to_string(layer.units) + "; it must be a positive integer");
    }
    if (!(layer.weight_scale >= 0 && layer.weight_scale <= value_limit<T>)) {
      refuse(where + ".weight_scale was " + text(layer.weight_scale) +
             "; it must be at least 0 and at most " + limit_text<T>());
    }
    if (layer.activation == Activation::softmax && l + 1 != spec.layers.size()) {
      refuse(where + ".activation was 'softmax'; softmax is for the output layer only");
    }
  }
  const Activation top = spec.layers.back().activation;
  if (spec.loss == Loss::squared_error && top == Activation::softmax) {
    refuse("[Network] loss was 'squared_error' with a softmax output; it must be 'cross_entropy'");
  }
  if (spec.loss == Loss::cross_entropy && top != Activation::softmax && top != Activation::logistic) {
    refuse("[Network] loss was 'cross_entropy' with output activation '" + std::string(name(top)) +
           "'; it must be 'logistic' or 'softmax'");
  }
}

// Within these bounds an update of allowed activations and deltas (value_limit) stays finite.
void check_sgd(const Sgd& sgd, Index batch_size) {
  if (!(sgd.momentum >= 0 && sgd.momentum < 1)) {
    refuse("[SGD] momentum was " + text(sgd.momentum) + "; it must be in [0, 1)");
  }
  const double examples = sgd.reduction == Reduction::sum ? static_cast<double>(batch_size) : 1.0;
  const double highest = 1e9 * (1 - sgd.momentum) / examples;
  if (!(sgd.lr >= 0 && sgd.lr <= highest)) {
    refuse("[SGD] lr was " + text(sgd.lr) +
           "; with this momentum, reduction and batch it must be in [0, " + text(highest) + "]");
  }
  if (!(sgd.weight_decay >= 0 && sgd.lr * sgd.weight_decay <= 1)) {
    refuse("[SGD] weight_decay was " + text(sgd.weight_decay) +
           "; it must not be negative, and lr times weight_decay must be at most 1");
  }
}

template <class T>
void copy_rows(const Buffer<T>& from, Index n, MatrixView<T> to, Index first) {
  for (Index r = 0; r < n; ++r) {
    for (Index c = 0; c < to.cols; ++c) to(first + r, c) = from.row(r)[c];
  }
}

}  // namespace

DivergenceError::DivergenceError(int layer, std::int64_t step, const std::string& what)
    : std::runtime_error(what), layer_(layer), step_(step) {}
Interrupted::Interrupted() : std::runtime_error("[fastfa] interrupted") {}

template <class T>
Network<T>::Impl::Impl(const NetworkSpec& spec) : spec_(spec), backend_(make_cpu_backend<T>()) {
  check_spec<T>(spec);
  spec_.feedback.clear();  // arrays may be large, and feedback_ has them
  for (const DenseSpec& layer : spec.layers) {
    const Index n_in = layers_.empty() ? spec.inputs : layers_.back().n_out;
    layers_.emplace_back(layer, n_in, spec.seed, static_cast<std::uint32_t>(layers_.size()));
  }
  feedback_ = make_feedback<T>(spec.feedback, units(), spec.seed);
  all_inputs_ = all_columns(spec.inputs);
  Index widest = 1;
  for (const DenseLayer<T>& layer : layers_) widest = std::max(widest, layer.n_out);
  partial_ = Buffer<T>(max_row_chunks, padded_cols(widest));
}

template <class T>
std::vector<std::int64_t> Network<T>::Impl::units() const {
  std::vector<std::int64_t> sizes;
  for (const DenseSpec& layer : spec_.layers) sizes.push_back(layer.units);
  return sizes;
}

template <class T>
void Network<T>::Impl::reserve(Index batch) {
  if (batch <= batch_.capacity()) return;
  batch_.reserve(batch, spec_.inputs);
  for (DenseLayer<T>& layer : layers_) layer.reserve(batch);
}

template <class T>
void Network<T>::Impl::reserve_momentum(bool wanted) {
  for (DenseLayer<T>& layer : layers_) layer.reserve_momentum(wanted && layer.spec.trainable);
}

// Deltas below the lowest layer that learns are not needed to learn.
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
  if (x.cols != spec_.inputs || x.col_stride != 1) {
    refuse(where + "X has " + std::to_string(x.cols) + " columns; the network has " +
           std::to_string(spec_.inputs) + " inputs, contiguous in each row");
  }
  if (!y) return;
  const Index n_out = spec_.layers.back().units;
  if (y->cols != n_out || y->col_stride != 1) {
    refuse(where + "Y has " + std::to_string(y->cols) + " columns; the network has " +
           std::to_string(n_out) + " outputs, contiguous in each row");
  }
  if (y->rows != x.rows) {
    refuse(where + "Y has " + std::to_string(y->rows) + " rows; X has " + std::to_string(x.rows));
  }
}

template <class T>
template <class Visit>
void Network<T>::Impl::in_blocks(MatrixView<const T> x, MatrixView<const T> y, const Poll& poll,
                                 Visit&& visit) {
  reserve(std::min(x.rows, block_rows));
  for (Index first = 0; first < x.rows; first += block_rows) {
    if (poll && poll()) throw Interrupted();
    batch_.n = std::min(block_rows, x.rows - first);
    batch_.order = batch_.natural.data();
    batch_.x = x;
    batch_.x.data += first * x.row_stride;
    batch_.y = y;
    if (y.data) batch_.y.data += first * y.row_stride;
    forward(batch_);
    visit(first, batch_.n);
  }
}

template <class T>
Network<T>::Network(const NetworkSpec& spec) : impl_(new Impl(spec)) {}
template <class T>
Network<T>::~Network() = default;

template <class T>
int Network<T>::layers() const {
  return static_cast<int>(impl_->layers_.size());
}
template <class T>
std::int64_t Network<T>::inputs() const {
  return impl_->spec_.inputs;
}
template <class T>
std::int64_t Network<T>::units(int layer) const {
  return impl_->layers_.at(static_cast<std::size_t>(layer)).n_out;
}
template <class T>
std::int64_t Network<T>::steps() const {
  return impl_->steps_;
}

// Storage is the transpose of what is shown.
template <class T>
static MatrixView<T> transposed(const Buffer<T>& b) {
  return {b.data(), b.cols(), b.rows(), 1, b.ld()};
}

template <class T>
MatrixView<T> Network<T>::weights(int layer) const {
  return transposed(impl_->layers_.at(static_cast<std::size_t>(layer)).w);
}
template <class T>
MatrixView<T> Network<T>::biases(int layer) const {
  const Buffer<T>& b = impl_->layers_.at(static_cast<std::size_t>(layer)).bias;
  return {b.data(), 1, b.cols(), b.ld(), 1};
}
template <class T>
MatrixView<T> Network<T>::feedback(int hidden) const {
  return transposed(impl_->feedback_.at(static_cast<std::size_t>(hidden)).b);
}
template <class T>
std::shared_ptr<void> Network<T>::feedback_owner(int hidden) const {
  return impl_->feedback_.at(static_cast<std::size_t>(hidden)).b.owner();
}
template <class T>
double Network<T>::feedback_scale(int hidden) const {
  return impl_->feedback_.at(static_cast<std::size_t>(hidden)).scale;
}
template <class T>
void Network<T>::set_feedback(const std::vector<FeedbackSpec>& feedback) {
  std::vector<Feedback<T>> made = make_feedback<T>(feedback, impl_->units(), impl_->spec_.seed);
  std::lock_guard<std::mutex> lock(impl_->mutex_);
  impl_->feedback_ = std::move(made);
}

template <class T>
void Network<T>::reset_momentum() {
  std::lock_guard<std::mutex> lock(impl_->mutex_);
  impl_->reserve_momentum(false);
}

template <class T>
void Network<T>::forward(MatrixView<const T> x, MatrixView<T> out, const Poll& poll) {
  impl_->check_data("forward", x, nullptr);
  Session<T> session(impl_->mutex_, *impl_->backend_);
  impl_->in_blocks(x, {}, poll, [&](Index first, Index n) {
    impl_->error(impl_->batch_, false);
    copy_rows(impl_->layers_.back().h, n, out, first);
  });
}

template <class T>
void Network<T>::activations(MatrixView<const T> x, const std::vector<MatrixView<T>>& out,
                             const Poll& poll) {
  impl_->check_data("activations", x, nullptr);
  Session<T> session(impl_->mutex_, *impl_->backend_);
  impl_->in_blocks(x, {}, poll, [&](Index first, Index n) {
    impl_->error(impl_->batch_, false);
    for (std::size_t l = 0; l < out.size(); ++l) copy_rows(impl_->layers_[l].h, n, out[l], first);
  });
}

template <class T>
void Network<T>::deltas(MatrixView<const T> x, MatrixView<const T> y,
                        const std::vector<MatrixView<T>>& out, const std::vector<FeedbackSpec>* feedback,
                        const Poll& poll) {
  impl_->check_data("deltas", x, &y);
  std::vector<Feedback<T>> other;
  if (feedback) other = make_feedback<T>(*feedback, impl_->units(), impl_->spec_.seed);
  Session<T> session(impl_->mutex_, *impl_->backend_);
  impl_->in_blocks(x, y, poll, [&](Index first, Index n) {
    impl_->error(impl_->batch_, true);
    impl_->feedback(feedback ? other : impl_->feedback_, n, 0);
    for (std::size_t l = 0; l < out.size(); ++l) copy_rows(impl_->layers_[l].delta, n, out[l], first);
  });
}

template <class T>
EpochResult Network<T>::evaluate(MatrixView<const T> x, MatrixView<const T> y, const Poll& poll) {
  impl_->check_data("evaluate", x, &y);
  Session<T> session(impl_->mutex_, *impl_->backend_);
  EpochResult result;
  impl_->in_blocks(x, y, poll, [&](Index, Index) {
    impl_->error(impl_->batch_, false);
    impl_->batch_.add_to(result);
  });
  if (result.examples > 0) result.loss /= static_cast<double>(result.examples);
  return result;
}

template <class T>
EpochResult Network<T>::train_epoch(MatrixView<const T> x, MatrixView<const T> y, const Sgd& optimizer,
                                    std::int64_t batch_size, const std::int64_t* order, std::int64_t n,
                                    const Poll& poll) {
  impl_->check_data("train_epoch", x, &y);
  if (batch_size < 1) {
    refuse("[train_epoch] batch_size was " + std::to_string(batch_size) + "; it must be positive");
  }
  check_sgd(optimizer, std::min(batch_size, n));
  for (Index i = 0; i < n; ++i) {
    if (order[i] < 0 || order[i] >= x.rows) {
      refuse("[train_epoch] order[" + std::to_string(i) + "] was " + std::to_string(order[i]) +
             "; it must be in 0 … " + std::to_string(x.rows - 1));
    }
  }
  Session<T> session(impl_->mutex_, *impl_->backend_);
  impl_->reserve(std::min(batch_size, n));
  impl_->reserve_momentum(optimizer.momentum != 0);
  // Ask about once in 20 ms, by a cautious guess of 10 GFLOP/s.
  double work = 0;
  for (const DenseLayer<T>& layer : impl_->layers_)
    work += 6.0 * static_cast<double>(layer.n_in * layer.n_out);
  work *= static_cast<double>(batch_size);
  const Index polls = std::max(Index{1}, static_cast<Index>(2e8 / (work + 1e4)));

  const Poll never;
  EpochResult result;
  Batch<T>& batch = impl_->batch_;
  batch.x = x;
  batch.y = y;
  for (Index first = 0, k = 0; first < n; first += batch_size, ++k) {
    const bool ask = poll && k % polls == 0;
    if (ask && poll()) throw Interrupted();
    batch.order = order + first;
    batch.n = std::min(batch_size, n - first);
    impl_->step(batch, optimizer, ask ? poll : never);
    batch.add_to(result);
  }
  if (result.examples > 0) result.loss /= static_cast<double>(result.examples);
  return result;
}

template class Network<float>;
template class Network<double>;

}  // namespace fastfa

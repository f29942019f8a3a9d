// The calls of the public Network that are about feedback.
#include <chrono>
#include <stdexcept>

#include "core/checks.h"
#include "core/network_impl.h"
#include "core/text.h"
#include "fastfa/names.h"

namespace fastfa {
namespace {

[[noreturn]] void refuse(const std::string& message) { throw std::invalid_argument(message); }

}  // namespace

template <class T>
Teaching<T> make_teaching(const std::vector<FeedbackSpec>& feedback, double perturbation,
                          const std::vector<LayerSpec>& layers, std::uint64_t seed) {
  if (perturbation == 0) return {make_feedback<T>(feedback, layers, seed), 0.0};
  if (!(perturbation > 0 && perturbation <= 1e6)) {
    refuse("[Network] perturbation was " + text(perturbation) + "; it must be in (0, 1e6]");
  }
  if (!feedback.empty()) refuse("[Network] feedback was given beside a perturbation; it must be empty");
  return {{}, perturbation};
}

// An empty buffer where there is none.
template <class T>
static Buffer<T> stored(const Feedback<T>& f) {
  return f.matrix ? f.matrix->stored() : Buffer<T>();
}

template <class T>
MatrixView<T> Network<T>::feedback(int hidden) const {
  return transposed(stored(impl_->teaching_.feedback.at(static_cast<std::size_t>(hidden))));
}
template <class T>
WeightView<T> Network<T>::feedback_state(int hidden) const {
  const auto at = static_cast<std::size_t>(hidden);
  const Feedback<T>& f = impl_->teaching_.feedback.at(at);
  const Buffer<T> b = f.matrix ? f.matrix->learned() : Buffer<T>();
  if (!b) return {};
  if (!f.matrix->stored()) return impl_->layers_.at(at + 1).view(b);
  return {b.data(), {b.cols(), b.rows()}, {1, b.ld()}};
}
template <class T>
std::shared_ptr<void> Network<T>::feedback_owner(int hidden) const {
  const Feedback<T>& f = impl_->teaching_.feedback.at(static_cast<std::size_t>(hidden));
  return f.matrix ? f.matrix->learned().owner() : nullptr;
}
template <class T>
double Network<T>::feedback_scale(int hidden) const {
  return impl_->teaching_.feedback.at(static_cast<std::size_t>(hidden)).scale;
}
template <class T>
std::int64_t Network<T>::feedback_bytes(int hidden) const {
  const Feedback<T>& f = impl_->teaching_.feedback.at(static_cast<std::size_t>(hidden));
  return f.matrix ? f.matrix->bytes() : 0;
}
template <class T>
std::int64_t Network<T>::feedback_source(int hidden) const {
  return impl_->teaching_.feedback.at(static_cast<std::size_t>(hidden)).n_source;
}
template <class T>
void Network<T>::feedback_array(int hidden, MatrixView<T> out) {
  const auto at = static_cast<std::size_t>(hidden);
  Session<T> session(*impl_);
  Feedback<T>& f = impl_->teaching_.feedback.at(at);
  const Buffer<T> transposed(f.n_source, impl_->layers_.at(at).n_out);
  write_matrix(f.matrix.get(), impl_->scene(at), transposed, impl_->partial_.data());
  for (Index j = 0; j < transposed.cols(); ++j) {
    for (Index k = 0; k < transposed.rows(); ++k) out(j, k) = transposed.row(k)[j];
  }
}
template <class T>
void Network<T>::set_feedback(const std::vector<FeedbackSpec>& feedback, double perturbation) {
  impl_->check_reentry();
  Teaching<T> made = make_teaching<T>(feedback, perturbation, impl_->spec_.layers, impl_->spec_.seed);
  std::lock_guard<std::mutex> lock(impl_->mutex_);
  impl_->teaching_ = std::move(made);
}

template <class T>
std::vector<LayerAlignment> Network<T>::alignment(MatrixView<const T> x, MatrixView<const T> y,
                                                  const AlignmentChoice& choice) {
  impl_->check_data("alignment", x, &y);
  Session<T> session(*impl_);
  return impl_->alignment(x, y, choice);
}

template <class T>
double Network<T>::time_feedback(int hidden, std::int64_t n, int repeats) {
  const auto at = static_cast<std::size_t>(hidden);
  Session<T> session(*impl_);
  Impl& net = *impl_;
  net.reserve(n);
  net.batch_.n = n;
  Feedback<T>& f = net.teaching_.feedback.at(at);
  if (!f.matrix || n < 1 || repeats < 1) return 0.0;
  const Carry<T> carry = net.carry(f, at, net.batch_);
  for (Index r = 0; r < n; ++r) {
    for (Index k = 0; k < carry.n_src; ++k) {
      const_cast<T*>(carry.source)[r * carry.lds + k] = static_cast<T>((r + 7 * k) % 13 - 6);
    }
  }
  f.matrix->prepare(net.scene(at));
  f.matrix->propagate(carry, net.scene(at));
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < repeats; ++i) f.matrix->propagate(carry, net.scene(at));
  const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - begin;
  net.bad_ = 0;
  return passed.count() / repeats;
}

void feedback_array(const FeedbackSpec& spec, std::int64_t units, std::int64_t n_source,
                    std::uint64_t seed, std::uint32_t layer, double* out) {
  if (units < 1 || n_source < 1 || units >= largest || n_source >= largest) {
    refuse("[toarray] the shape was (" + std::to_string(units) + ", " + std::to_string(n_source) +
           "); it must be positive");
  }
  if (follows_weights(spec.matrix)) {
    refuse(std::string("[toarray] matrix is '") + name(spec.matrix) +
           "', which follows a network's weights");
  }
  LayerSpec own, above;
  own.units = units;
  above.units = n_source;
  const std::vector<Feedback<double>> made = make_feedback<double>({spec}, {own, above}, seed, layer);
  const std::unique_ptr<Backend<double>> backend = make_cpu_backend<double>();
  const Buffer<double> transposed(n_source, units), partial(max_row_chunks, padded_cols(units));
  backend->begin();
  write_matrix(made.back().matrix.get(), Scene<double>{*backend, nullptr, 0}, transposed,
               partial.data());
  backend->end();
  for (Index i = 0; i < units * n_source; ++i) out[i] = transposed.row(i % n_source)[i / n_source];
}

// The rest of the class is instantiated in network.cpp.
template Teaching<float> make_teaching(const std::vector<FeedbackSpec>&, double,
                                       const std::vector<LayerSpec>&, std::uint64_t);
template Teaching<double> make_teaching(const std::vector<FeedbackSpec>&, double,
                                        const std::vector<LayerSpec>&, std::uint64_t);
#define FASTFA_INSTANTIATE(T)                                                                          \
  template MatrixView<T> Network<T>::feedback(int) const;                                              \
  template WeightView<T> Network<T>::feedback_state(int) const;                                        \
  template std::shared_ptr<void> Network<T>::feedback_owner(int) const;                                \
  template double Network<T>::feedback_scale(int) const;                                               \
  template std::int64_t Network<T>::feedback_bytes(int) const;                                         \
  template std::int64_t Network<T>::feedback_source(int) const;                                        \
  template void Network<T>::feedback_array(int, MatrixView<T>);                                        \
  template void Network<T>::set_feedback(const std::vector<FeedbackSpec>&, double);                    \
  template std::vector<LayerAlignment> Network<T>::alignment(MatrixView<const T>, MatrixView<const T>, \
                                                             const AlignmentChoice&);                  \
  template double Network<T>::time_feedback(int, std::int64_t, int)
FASTFA_INSTANTIATE(float);
FASTFA_INSTANTIATE(double);

}  // namespace fastfa

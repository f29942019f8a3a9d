// The calls of the public Network that are about feedback.
#include <chrono>
#include <stdexcept>

#include "core/base/messages.h"
#include "core/base/sizes.h"
#include "core/network/checks.h"
#include "core/network/network_impl.h"
#include "fastfa/names.h"

namespace fastfa {
template <class T>
LearningRule<T> make_rule(Allocator& allocator, const std::vector<FeedbackSpec>& feedback,
                          const Perturbation& perturbation, const NetworkSpec& net) {
  const double sigma = perturbation.sigma;
  if (sigma == 0) return {make_feedback<T>(allocator, feedback, net.inputs, net.layers, net.seed), {}};
  if (!(sigma >= 1e-9 && sigma <= 1e6)) {
    refuse("[Network] perturbation was " + text(sigma) + "; it must be in [1e-9, 1e6]");
  }
  if (is_in_time(net.layers)) {
    refuse("[Network] perturbation was " + text(sigma) + "; with a recurrent layer it must be 0");
  }
  for (const LayerSpec& layer : net.layers) {
    if (!layer.activator) continue;
    refuse("[Network] perturbation was " + text(sigma) +
           "; with an activation of your own it must be 0");
  }
  if (!feedback.empty()) refuse("[Network] feedback was given beside a perturbation; it must be empty");
  return {{}, perturbation};
}

// Looks at one layer's feedback while nobody replaces it.
template <class T, class Look>
static auto look(typename Network<T>::Impl& net, int hidden, Look&& at) {
  net.check_usable();
  std::lock_guard<std::mutex> lock(net.rule_mutex_);
  return at(net.own_feedback(static_cast<std::size_t>(hidden)));
}

template <class T>
OwnedMatrix<T> Network<T>::feedback(int hidden) const {
  return look<T>(*impl_, hidden, [](const Feedback<T>& f) -> OwnedMatrix<T> {
    const Buffer<T> b = f.matrix ? f.matrix->stored() : Buffer<T>();
    return {transposed(b), b.owner()};
  });
}
template <class T>
OwnedWeights<T> Network<T>::feedback_state(int hidden) const {
  const Layer<T>& above = impl_->layer_above(static_cast<std::size_t>(hidden));
  return look<T>(*impl_, hidden, [&](const Feedback<T>& f) -> OwnedWeights<T> {
    return f.matrix ? shown(f, f.matrix->learned(), above) : OwnedWeights<T>();
  });
}
template <class T>
double Network<T>::feedback_scale(int hidden) const {
  return look<T>(*impl_, hidden, [](const Feedback<T>& f) { return f.scale; });
}
template <class T>
std::int64_t Network<T>::feedback_bytes(int hidden) const {
  return look<T>(*impl_, hidden,
                 [](const Feedback<T>& f) { return f.matrix ? f.matrix->bytes() : std::int64_t{0}; });
}
template <class T>
OwnedMatrix<T> Network<T>::feedback_array(int hidden) {
  Session<T> session(*impl_);
  if (impl_->is_b_rec(static_cast<std::size_t>(hidden))) return impl_->recurrent_feedback_array();
  const std::size_t at = impl_->layers_.landing(static_cast<std::size_t>(hidden));
  Feedback<T>& f = impl_->rule_.feedback.at(at);
  const Buffer<T> b(*impl_->backend_, f.n_source, impl_->layers_.at(at).n_out);
  if (f.matrix) f.matrix->prepare(impl_->feedback_context(at));
  write_matrix(f.matrix.get(), impl_->feedback_context(at), b, impl_->partial_.data());
  return {transposed(b), b.owner()};
}
template <class T>
void Network<T>::set_feedback(const std::vector<FeedbackSpec>& feedback,
                              const Perturbation& perturbation) {
  // Exchanged for the rule in use, which is destroyed after the locks are released.
  LearningRule<T> made;
  Session<T> session(*impl_);
  made = make_rule<T>(*impl_->backend_, feedback, perturbation, impl_->spec_);
  std::lock_guard<std::mutex> brief(impl_->rule_mutex_);
  std::swap(impl_->rule_, made);
  impl_->tiny_.forget_layout();
  impl_->recorder_.drop();
}

template <class T>
std::vector<LayerAlignment> Network<T>::alignment(MatrixView<const T> x, MatrixView<const T> y,
                                                  const AlignmentChoice& choice, const Poll& poll) {
  impl_->check_data("alignment", x, &y);
  if (x.rows < 1) refuse("[alignment] X has no rows; it must have at least 1");
  Session<T> session(*impl_);
  const SpareBuffers<T> spare(impl_->pass_);
  return impl_->alignment(x, y, choice, poll);
}

template <class T>
double Network<T>::time_feedback(int hidden, std::int64_t n, int repeats) {
  if (n < 1 || repeats < 1) refuse("[time_feedback] n and repeats must be at least 1");
  Session<T> session(*impl_);
  Impl& net = *impl_;
  const std::size_t at = net.layers_.landing(static_cast<std::size_t>(hidden));
  Feedback<T>& f = net.rule_.feedback.at(at);
  if (!f.matrix) return 0.0;
  const SpareBuffers<T> spare(net.pass_);
  net.reserve(n);
  net.batch_.n = n;
  net.backend_->wait();
  for (const Buffer<T>& source : {net.source_layer(f.spec.route, at).delta, net.batch_.target}) {
    for (Index r = 0; r < n; ++r) {
      for (Index k = 0; k < source.cols(); ++k) source.row(r)[k] = static_cast<T>((r + 7 * k) % 13 - 6);
    }
  }
  const FeedbackProduct<T> product = net.feedback_product(f, at, net.batch_);
  f.matrix->prepare(net.feedback_context(at));
  f.matrix->propagate(product, net.feedback_context(at));
  net.backend_->wait();
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < repeats; ++i) f.matrix->propagate(product, net.feedback_context(at));
  net.backend_->wait();
  const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - begin;
  net.checks_.forget();
  return passed.count() / repeats;
}

template <class T>
double Network<T>::time_layer(int layer, std::int64_t n, int repeats) {
  if (impl_->recurrent_) impl_->check_no_recurrent("time_layer");
  if (n < 1 || repeats < 1) refuse("[time_layer] n and repeats must be at least 1");
  Session<T> session(*impl_);
  Impl& net = *impl_;
  const std::size_t at = net.layers_.place(static_cast<std::size_t>(layer));
  Layer<T>& own = net.layers_.at(at);
  const SpareBuffers<T> spare(net.pass_);
  net.reserve(n);
  const Buffer<T>& below = at == 0 ? net.batch_.input : net.layers_[at - 1].h;
  const std::vector<ColumnRange>& ranges = at == 0 ? net.all_inputs_ : net.layers_[at - 1].units;
  for (const Buffer<T>& b : {below, own.delta}) {
    for (Index r = 0; r < n; ++r) {
      for (Index k = 0; k < b.cols(); ++k) b.row(r)[k] = static_cast<T>((r + 7 * k) % 13 - 6) / 8;
    }
  }
  const Learning<T> still{};
  const auto pass = [&] {
    own.forward(*net.backend_, below, ranges, n, own.sigma, own.h, net.partial_.data(),
                net.checks_.bad());
    own.learn(*net.backend_, still, below, ranges, n, {own.w, own.bias, {}, {}});
  };
  pass();
  net.backend_->wait();
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < repeats; ++i) pass();
  net.backend_->wait();
  const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - begin;
  net.checks_.forget();
  return passed.count() / repeats;
}

void feedback_array(const FeedbackSpec& spec, std::int64_t units, std::int64_t n_source,
                    std::uint64_t seed, std::uint32_t layer, double* out) {
  if (units < 1 || n_source < 1 || units >= largest || n_source >= largest) {
    refuse("[toarray] the shape was (" + std::to_string(units) + ", " + std::to_string(n_source) +
           "); it must be positive");
  }
  if (traits_of(spec.matrix).follows_weights) {
    refuse(std::string("[toarray] matrix is '") + name(spec.matrix) +
           "', which follows a network's weights");
  }
  LayerSpec own, above;
  own.units = units;
  above.units = n_source;
  size_product("[toarray] the array has", {units, n_source});
  const std::vector<Feedback<double>> made =
      make_feedback<double>(host_allocator(), {spec}, 1, {own, above}, seed, layer);
  const std::unique_ptr<Backend<double>> backend = make_cpu_backend<double>();
  const Buffer<double> transposed(host_allocator(), n_source, units),
      partial(host_allocator(), partial_rows, padded_cols(units));
  const FlushSubnormals flush;
  backend->begin(false);
  write_matrix(made.back().matrix.get(), FeedbackContext<double>{*backend, nullptr, 0, {}}, transposed,
               partial.data());
  backend->end();
  for (Index i = 0; i < units * n_source; ++i) out[i] = transposed.row(i % n_source)[i / n_source];
}

// The rest of the class is instantiated in network.cpp.
template LearningRule<float> make_rule(Allocator&, const std::vector<FeedbackSpec>&, const Perturbation&,
                                       const NetworkSpec&);
template LearningRule<double> make_rule(Allocator&, const std::vector<FeedbackSpec>&,
                                        const Perturbation&, const NetworkSpec&);
#define FASTFA_INSTANTIATE(T)                                                                          \
  template OwnedMatrix<T> Network<T>::feedback(int) const;                                             \
  template OwnedWeights<T> Network<T>::feedback_state(int) const;                                      \
  template double Network<T>::feedback_scale(int) const;                                               \
  template std::int64_t Network<T>::feedback_bytes(int) const;                                         \
  template OwnedMatrix<T> Network<T>::feedback_array(int);                                             \
  template void Network<T>::set_feedback(const std::vector<FeedbackSpec>&, const Perturbation&);       \
  template std::vector<LayerAlignment> Network<T>::alignment(MatrixView<const T>, MatrixView<const T>, \
                                                             const AlignmentChoice&, const Poll&);     \
  template double Network<T>::time_layer(int, std::int64_t, int);                                      \
  template double Network<T>::time_feedback(int, std::int64_t, int)
FASTFA_INSTANTIATE(float);
FASTFA_INSTANTIATE(double);

}  // namespace fastfa

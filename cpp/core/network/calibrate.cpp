// Multiplies each B so that the deltas on the caller's examples have the size that was asked for.
#include <cmath>
#include <cstring>

#include "core/base/messages.h"
#include "core/network/checks.h"
#include "core/network/network_impl.h"
#include "fastfa/names.h"

namespace fastfa {
namespace {

template <class T>
void check_factor(const char* what, double value) {
  if (value > 0 && value <= value_limit<T>) return;
  refuse(std::string("[calibrate_feedback] ") + what + " was " + text(value) +
         "; it must be above 0 and at most " + limit_text<T>());
}

// A B without a scale can't be multiplied, unless it is the caller's array.
template <class T>
void check_kind(const Feedback<T>& f, std::size_t layer) {
  if (f.spec.matrix == Matrix::array || f.scale > 0) return;
  const std::string here = "[calibrate_feedback] feedback[" + std::to_string(layer) + "] is '" +
                           name(f.spec.matrix) + "'" +
                           (has_array(f.spec) ? " with magnitudes of your own" : "");
  if (f.traits.unit_variance && !has_array(f.spec)) refuse(here + " with scale 0; it must be larger");
  refuse(here + ", which has no scale; it must be a kind that has one, or 'array'");
}

template <class T>
double sum_of_squares(const Buffer<T>& b, Index rows) {
  double sum = 0.0;
  for (Index r = 0; r < rows; ++r) {
    for (Index c = 0; c < b.cols(); ++c) {
      sum += static_cast<double>(b.row(r)[c]) * static_cast<double>(b.row(r)[c]);
    }
  }
  return sum;
}

template <class T>
bool same(const Buffer<T>& a, const Buffer<T>& b) {
  return std::memcmp(a.data(), b.data(), static_cast<std::size_t>(a.bytes())) == 0;
}

}  // namespace

template <class T>
std::vector<double> Network<T>::calibrate_feedback(MatrixView<const T> x, MatrixView<const T> y,
                                                   double gain, double growth, const Poll& poll) {
  impl_->check_data("calibrate_feedback", x, &y);
  if (x.rows < 1) refuse("[calibrate_feedback] X has no rows; it must have at least 1");
  check_factor<T>("gain", gain);
  check_factor<T>("growth", growth);
  // `made` is exchanged for the feedback in use, which is destroyed after the locks are released.
  std::vector<Feedback<T>> made, drawn;
  Session<T> session(*impl_);
  Impl& net = *impl_;
  const auto own = [&net](std::size_t l) -> Feedback<T>& { return net.own_feedback(l); };
  if (net.rule_.perturbation.sigma > 0) {
    refuse(
        "[calibrate_feedback] the network learns by node perturbation; it must have feedback matrices");
  }
  const std::size_t fed = net.fed();
  for (std::size_t l = 0; l < fed; ++l) check_kind(own(l), l);

  // δ of every layer, as a root mean square
  std::vector<double> sizes(net.layers_.weighted());
  {
    const SpareBuffers<T> spare(net.pass_);
    net.prepare(net.rule_);
    net.in_blocks(x, y, poll, [&](Index first, Index n) {
      net.compute_deltas(net.rule_, net.batch_, 0, first);
      net.checks_.raise_pending();
      for (std::size_t l = 0; l < sizes.size(); ++l) {
        sizes[l] += sum_of_squares(net.layers_.with_weights(l).delta, n);
      }
    });
  }
  for (std::size_t l = 0; l < sizes.size(); ++l) {
    sizes[l] = std::sqrt(sizes[l] / static_cast<double>(x.rows * net.layers_.with_weights(l).n_out));
    if (!(sizes[l] > 0)) {
      refuse("[calibrate_feedback] the delta of layer " + std::to_string(l) +
             " is 0 on these examples; it must not be, or no B gives it a size");
    }
  }

  // Bᵀ of the caller's own array.
  const auto numbers = [&](std::size_t l) {
    Feedback<T>& f = own(l);
    if (Buffer<T> b = f.matrix->learned()) return b;
    const std::size_t at = net.layers_.landing(l);
    Buffer<T> b(*net.backend_, f.n_source, net.layers_.at(at).n_out);
    write_matrix(f.matrix.get(), net.feedback_context(at), b, net.partial_.data());
    net.backend_->wait();
    return b;
  };
  // Given the forward pass, δ of a layer is proportional to its own B and to its source's δ.
  std::vector<double> factors(fed), scales(fed);
  std::vector<FeedbackSpec> now, before;
  double above = 1.0, wanted = gain * sizes.back();
  for (std::size_t l = fed; l-- > 0; wanted *= growth) {
    const double change = wanted / sizes[l];
    factors[l] = own(l).spec.route == Route::layerwise ? change / above : change;
    above = change;
  }
  for (std::size_t l = 0; l < fed; ++l) {
    scales[l] = own(l).scale * factors[l];  // 0 for an array
    if (!(factors[l] > 0 && factors[l] <= value_limit<T> && scales[l] <= value_limit<T>)) {
      refuse("[calibrate_feedback] feedback[" + std::to_string(l) + "] would be multiplied by " +
             text(factors[l]) + "; it must stay at most " + limit_text<T>());
    }
    FeedbackSpec spec = own(l).spec;
    spec.equal_error = false;
    spec.scale = own(l).scale;
    if (spec.matrix == Matrix::array) {
      const Buffer<T> b = numbers(l);
      for (Index i = 0; i < spec.rows * spec.cols; ++i) {
        spec.values.push_back(static_cast<double>(b.row(i % spec.cols)[i / spec.cols]));
      }
    }
    before.push_back(spec);
    spec.scale = scales[l];
    for (double& value : spec.values) value *= factors[l];
    now.push_back(std::move(spec));
  }
  const NetworkSpec& is = net.spec_;
  made = make_feedback<T>(*net.backend_, now, is.inputs, is.layers, is.seed);
  drawn = make_feedback<T>(*net.backend_, before, is.inputs, is.layers, is.seed);
  net.backend_->wait();
  for (std::size_t l = 0; l < fed; ++l) {
    const Buffer<T> b = own(l).matrix->learned();
    // A B that is still as it was drawn has been drawn again, with its new scale. One that has learned,
    // or that the caller has written to, is multiplied.
    if (!b || same(b, drawn[net.layers_.landing(l)].matrix->learned())) continue;
    const Buffer<T> to = made[net.layers_.landing(l)].matrix->learned();
    for (Index r = 0; r < b.rows(); ++r) {
      for (Index c = 0; c < b.cols(); ++c) to.row(r)[c] = static_cast<T>(b.row(r)[c] * factors[l]);
    }
  }
  std::lock_guard<std::mutex> brief(net.rule_mutex_);
  std::vector<Feedback<T>>& in_use = net.rule_.feedback;
  for (std::size_t l = 0; l < made.size(); ++l) std::swap(made[l].of_b, in_use[l].of_b);
  std::swap(made, in_use);
  net.tiny_.forget_layout();
  net.recorder_.drop();
  return scales;
}

template std::vector<double> Network<float>::calibrate_feedback(MatrixView<const float>,
                                                                MatrixView<const float>, double, double,
                                                                const Poll&);
template std::vector<double> Network<double>::calibrate_feedback(MatrixView<const double>,
                                                                 MatrixView<const double>, double,
                                                                 double, const Poll&);

}  // namespace fastfa

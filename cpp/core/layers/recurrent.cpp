#include "core/layers/recurrent.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "core/base/messages.h"

namespace fastfa {
namespace {

constexpr Index most_delay = 1000000;  // steps

// To its base the layer is linear: the slopes are taken by the scan back, or by the traces.
LayerSpec as_linear(LayerSpec spec) {
  spec.activation = Activation::linear;
  return spec;
}

Index check_recurrent(const LayerSpec& spec, Index n_in, const std::string& where) {
  const RecurrentSpec& r = spec.recurrent;
  if (!(r.tau >= 1 && r.tau <= 1e9)) {
    refuse(where + ".tau was " + text(r.tau) + "; it must be in [1, 1e+09]");
  }
  if (!(r.scale >= 0 && r.scale <= 1e9)) {
    refuse(where + ".recurrent_scale was " + text(r.scale) + "; it must be in [0, 1e+09]");
  }
  if (r.input_delay < 0 || r.input_delay > most_delay) {
    refuse(where + ".input_delay was " + std::to_string(r.input_delay) + "; it must be in 0 … " +
           std::to_string(most_delay));
  }
  if (spec.local.maps != 0) refuse(where + " is recurrent and sees patches; it must be one of them");
  if (spec.density != 1) {
    refuse(where + ".density was " + text(spec.density) + "; a recurrent layer must have 1");
  }
  if (spec.activation == Activation::softmax) {
    refuse(where + ".activation was 'softmax'; softmax is for the output layer only");
  }
  if (spec.units > 0 && spec.units < largest && n_in + spec.units >= largest) {
    refuse(where + " sees " + std::to_string(n_in) + " inputs and itself, " +
           std::to_string(spec.units) + " units; together they must be fewer than 2^31");
  }
  return spec.units;
}

// `b` with so many rows, all zero.
template <class T>
void blank(Allocator& allocator, Buffer<T>& b, Index rows, Index cols) {
  if (b.rows() != rows) b = Buffer<T>(allocator, rows, cols);
  std::fill_n(b.data(), rows * b.ld(), T(0));
}

}  // namespace

template <class T>
RecurrentLayer<T>::RecurrentLayer(Allocator& allocator, const LayerSpec& s, Index inputs,
                                  std::uint64_t seed, std::uint32_t index)
    : Layer<T>(allocator, as_linear(s), dense_kind<T>().make_pattern(s, inputs + s.units), seed, index),
      tau_(s.recurrent.tau),
      phi_(s.activation, s.leaky_slope),
      inputs_(inputs),
      delay_(s.recurrent.input_delay),
      seen_(all_columns(this->n_in)) {
  const Index n = this->n_out;
  const double omega = s.weight_scale.value_or(1.0 / std::sqrt(static_cast<double>(inputs)));
  const double sd = s.recurrent.scale / std::sqrt(static_cast<double>(n));
  draw_uniform(seed, Purpose::weights, index, n * inputs, omega, [&](Index i, double value) {
    this->w.row(i % inputs)[i / inputs] = static_cast<T>(value);
  });
  draw_normal(seed, Purpose::recurrent, index, n * n, sd, [&](Index i, double value) {
    this->w.row(inputs + i % n)[i / n] = static_cast<T>(value);
  });
}

template <class T>
void RecurrentLayer<T>::begin(Allocator& allocator, Index examples) {
  fresh_ = has_traces_ = false;
  const Index late = size_product("[Network] delayed inputs are", {delay_, examples});
  with_room([&] { return "[Network] " + std::to_string(late) + " delayed inputs"; },
            static_cast<double>(sizeof(T)) * static_cast<double>(late) * static_cast<double>(inputs_),
            [&] { blank(allocator, past_, late, inputs_); });
  blank(allocator, state_, examples, this->n_out);
}

template <class T>
void RecurrentLayer<T>::remember(Backend<T>& backend, View<const T> below, Index n) {
  const Index all = past_.rows(), kept = std::max(Index{0}, all - n);
  const auto bytes = static_cast<std::size_t>(kept * past_.ld()) * sizeof(T);
  if (kept > 0) std::memmove(past_.data(), past_.row(n), bytes);
  backend.copy_rows(below.from(n - (all - kept)), past_.from(kept), all - kept, inputs_);
}

// Writes the inputs into z. A step sees the inputs of `delay_` steps ago.
template <class T>
void RecurrentLayer<T>::see(Backend<T>& backend, const Buffer<T>& below, const Buffer<T>& z, Index n) {
  const Index late = std::min(n, delay_ * (n / times_));
  if (way_ == Way::look) {
    backend.clear(z.data(), late * z.ld());
  } else {
    backend.copy_rows(past_, z, late, inputs_);
  }
  backend.copy_rows(below, z.from(late), n - late, inputs_);
}

template <class T>
void RecurrentLayer<T>::begin_traces(Allocator& allocator) {
  if (has_traces_) return;
  const Index n = this->n_out, count = examples();
  size_product("[Network] traces are", {count, this->n_in + 1, n});
  with_room([&] { return "[Network] the traces of " + std::to_string(count) + " examples"; },
            static_cast<double>(sizeof(T)) * static_cast<double>(count) *
                static_cast<double>(this->n_in + 1) * static_cast<double>(n),
            [&] { blank(allocator, traces_, count * (this->n_in + 1), n); });
  blank(allocator, z_, count, this->n_in);
  blank(allocator, slope_, count, n);
  if (count == 1 && is_small()) blank(allocator, room_, recurrent_rows, this->n_in);
  has_traces_ = true;
}

template <class T>
void RecurrentLayer<T>::reserve(Backend<T>& backend, Index batch) {
  Layer<T>::reserve(backend, batch);
  this->scratch.clear();
  this->scratch.emplace_back(backend, batch, this->n_in);   // z
  this->scratch.emplace_back(backend, batch, this->n_out);  // slopes
  if (delay_ > 0) sent_ = Buffer<T>(backend, batch, this->n_out);
  const auto& b = this->spec.recurrent.matrix;
  if (b && b->plasticity != Plasticity::fixed) {  // h⁻ as B_rec learns from it, apart from x
    this->scratch.emplace_back(backend, batch, this->n_out);
  }
}

template <class T>
void RecurrentLayer<T>::forward(Backend<T>& backend, const Buffer<T>& below,
                                const std::vector<ColumnRange>&, Index n, Sigma, const Buffer<T>& to,
                                T* partial, int* bad) {
  const bool online = way_ == Way::online;
  const Index examples = n / times_, width = this->n_out;
  stopped_ = -1;
  if (online) settle(backend);
  if (way_ == Way::look && zero_.rows() < examples) zero_ = Buffer<T>(backend, examples, width);
  const Buffer<T>& z = online ? z_ : this->scratch[0];
  const Buffer<T>& slopes = online ? slope_ : this->scratch[1];
  const Buffer<T>& start = way_ == Way::look ? zero_ : state_;
  const bool small = examples == 1 && is_small();
  see(backend, below, z, n);
  for (Index t = 0; t < times_; ++t) {
    const Index first = t * examples;
    RecurrentForward<T> step{};
    step.z = z.from(first);
    step.n = examples;
    step.depth = this->n_in;
    step.cols = width;
    if (small) step.w = this->w;
    step.bias = this->bias.data();
    step.before = t == 0 ? start.from(0) : to.from(first - examples);
    step.h = to.from(first);
    step.slope = slopes.from(first);
    step.activation = phi_;
    step.share = share();
    step.bad = bad;
    backend.copy_rows(step.before, z.from(first, inputs_), examples, width);
    if (!small) {
      backend.dense_forward({examples, step.z, this->n_in, seen_, this->w, width, step.bias,
                             Activation::linear, step.h, partial, bad});
    }
    backend.recurrent_forward(step);
    if (*bad) {  // the state stays that of before a step that isn't done
      stopped_ = t;
      return;
    }
  }
  if (way_ == Way::look) return;
  remember(backend, below, n);
  backend.copy(to.row(n - examples), state_.data(), examples * to.ld());
  fresh_ = online;
}

template <class T>
typename RecurrentLayer<T>::Carry RecurrentLayer<T>::carry_by_transpose(Backend<T>& backend) {
  const Index width = this->n_out;
  if (!turned_) turned_ = Buffer<T>(backend, width, width);
  backend.transpose({width, heard(), width, turned_});
  return
      [&](const FeedbackProduct<T>& product) { backend.propagate(Propagate<T>{product, turned_, 0}); };
}

template <class T>
void RecurrentLayer<T>::scan_back(Backend<T>& backend, Index n, const Carry& carry, T* partial,
                                  int* bad) {
  const Index examples = n / times_, width = this->n_out;
  if (lambda_.rows() != examples) {
    lambda_ = Buffer<T>(backend, examples, width);
    carried_ = Buffer<T>(backend, examples, width);
  }
  backend.clear(lambda_.data(), examples * lambda_.ld());
  RecurrentBack<T> step{};
  step.lambda = lambda_;
  step.n = examples;
  step.cols = width;
  step.keep = keep();
  step.bad = bad;
  for (Index t = times_; t-- > 0;) {
    if (carry && t + 1 < times_) {
      carry({examples, step.d, width, this->units, width, carried_, Activation::linear, carried_,
             partial, bad});
      step.carried = carried_;
    }
    step.d = this->delta.from(t * examples);
    step.slope = this->scratch[1].from(t * examples);
    backend.recurrent_back(step);
    if (*bad) {
      stopped_ = t;
      return;
    }
  }
  if (delay_ == 0) return;
  const Index late = std::min(n, delay_ * examples);  // rows of sent_ that nobody has seen
  backend.copy_rows(this->delta.from(late), sent_, n - late, width);
  backend.clear(sent_.row(n - late), late * sent_.ld());
}

template <class T>
RecurrentTrace<T> RecurrentLayer<T>::trace_pack(bool advance) const {
  RecurrentTrace<T> pack{};
  pack.trace = traces_;
  pack.z = z_;
  pack.slope = slope_;
  pack.n = examples();
  pack.depth = this->n_in;
  pack.cols = this->n_out;
  pack.advance = advance;
  pack.keep = keep();
  return pack;
}

template <class T>
void RecurrentLayer<T>::settle(Backend<T>& backend) {
  if (fresh_) backend.recurrent_trace(trace_pack(true));
  fresh_ = false;
}

template <class T>
void RecurrentLayer<T>::learn(Backend<T>& backend, const Learning<T>& learning, const Buffer<T>&,
                              const std::vector<ColumnRange>&, Index n,
                              const Parameters<T>& parameters) const {
  if (way_ != Way::online) {
    return backend.dense_update(
        parameters.dense_step(learning, n, this->scratch[0], seen_, this->delta));
  }
  RecurrentTrace<T> pack = trace_pack(fresh_);
  fresh_ = false;
  pack.sent = this->delta;
  const bool remembers = parameters.of_w.v || parameters.of_w.s;
  if (remembers) {  // such an optimizer needs the gradient first
    blank(backend, gradient_.w, this->w.rows(), this->n_out);
    if (this->bias) blank(backend, gradient_.bias, 1, this->n_out);
  }
  const Parameters<T>& to = remembers ? gradient_ : parameters;
  pack.w = to.w;
  pack.bias = to.bias.data();
  pack.rate = remembers ? T(1) : learning.rate;
  pack.bias_rate = remembers ? T(1) : learning.bias_rate;
  pack.decay = remembers ? T(0) : learning.decay;
  pack.bias_decay = remembers ? T(0) : learning.bias_decay;
  backend.recurrent_trace(pack);
  const double unlimited = std::numeric_limits<double>::infinity();
  if (remembers) apply_gradient(backend, learning, gradient_, unlimited, parameters);
}

template <class T>
void RecurrentLayer<T>::lay_out(const Learning<T>& learning, RecurrentRun<T>& run) const {
  run.layer = trace_pack(true);
  run.layer.w = this->w;
  run.layer.bias = this->bias.data();
  run.layer.rate = learning.rate;
  run.layer.decay = learning.decay;
  run.layer.bias_rate = learning.bias_rate;
  run.layer.bias_decay = learning.bias_decay;
  run.inputs = inputs_;
  run.delay = delay_;
  run.past = past_;
  run.h = state_.data();
  run.room = room_;
  run.activation = phi_;
  run.share = share();
}

template <class T>
LayerKind<T> recurrent_kind() {
  return {check_recurrent,
          [](const LayerSpec& spec, Index n_in) -> std::unique_ptr<Pattern<T>> {
            return dense_kind<T>().make_pattern(spec, n_in + spec.units);
          },
          [](Allocator& allocator, const LayerSpec& spec, Index n_in, std::uint64_t seed,
             std::uint32_t index) -> std::unique_ptr<Layer<T>> {
            return std::make_unique<RecurrentLayer<T>>(allocator, spec, n_in, seed, index);
          }};
}
template LayerKind<float> recurrent_kind<float>();
template LayerKind<double> recurrent_kind<double>();
template class RecurrentLayer<float>;
template class RecurrentLayer<double>;

}  // namespace fastfa

#include "core/layers/recurrent.h"

#include <limits>

#include "core/base/messages.h"

namespace fastfa {
namespace {

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
      feedback_(s.recurrent.feedback),
      inputs_(inputs),
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
  if (feedback_ != RecurrentFeedback::random) return;
  back_ = Buffer<T>(allocator, n, n);
  draw_normal(seed, Purpose::recurrent_feedback, index, n * n, sd,
              [&](Index i, double value) { back_.row(i % n)[i / n] = static_cast<T>(value); });
}

template <class T>
void RecurrentLayer<T>::begin(Allocator& allocator, Index examples) {
  fresh_ = has_traces_ = false;
  blank(allocator, state_, examples, this->n_out);
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
}

template <class T>
void RecurrentLayer<T>::forward(Backend<T>& backend, const Buffer<T>& below,
                                const std::vector<ColumnRange>&, Index n, Sigma, const Buffer<T>& to,
                                T* partial, int* bad) {
  const bool online = way_ == Way::online;
  const Index examples = n / times_, width = this->n_out;
  if (online) settle(backend);
  if (way_ == Way::look && zero_.rows() < examples) zero_ = Buffer<T>(backend, examples, width);
  const Buffer<T>& z = online ? z_ : this->scratch[0];
  const Buffer<T>& slopes = online ? slope_ : this->scratch[1];
  const Buffer<T>& start = way_ == Way::look ? zero_ : state_;
  const bool small = examples == 1 && is_small();
  backend.copy_rows(below.data(), below.ld(), z.data(), z.ld(), n, inputs_);
  for (Index t = 0; t < times_; ++t) {
    const Index first = t * examples;
    const T* const before = t == 0 ? start.data() : to.row(first - examples);
    const Index ldb = t == 0 ? start.ld() : to.ld();
    backend.copy_rows(before, ldb, z.row(first) + inputs_, z.ld(), examples, width);
    if (!small) {
      backend.dense_forward({z.row(first), z.ld(), examples, this->n_in, seen_.data(),
                             static_cast<Index>(seen_.size()), this->w.data(), this->w.ld(), width,
                             this->bias.data(), Activation::linear, to.row(first), to.ld(), partial,
                             bad});
    }
    backend.recurrent_forward({z.row(first), z.ld(), examples, this->n_in, width,
                               small ? this->w.data() : nullptr, this->w.ld(), this->bias.data(), before,
                               ldb, to.row(first), to.ld(), slopes.row(first), slopes.ld(), phi_,
                               share(), bad});
  }
  if (way_ == Way::look || *bad) return;  // the state stays that of before a step that isn't done
  backend.copy(to.row(n - examples), state_.data(), examples * to.ld());
  fresh_ = online;
}

template <class T>
void RecurrentLayer<T>::scan_back(Backend<T>& backend, Index n, T* partial, int* bad,
                                  RecurrentFeedback through) {
  const Index examples = n / times_, width = this->n_out;
  if (lambda_.rows() != examples) {
    lambda_ = Buffer<T>(backend, examples, width);
    carried_ = Buffer<T>(backend, examples, width);
  }
  backend.clear(lambda_.data(), examples * lambda_.ld());
  const bool transposes = through == RecurrentFeedback::transpose;
  if (transposes) {
    if (!turned_) turned_ = Buffer<T>(backend, width, width);
    backend.transpose({this->w.row(inputs_), this->w.ld(), width, width, turned_.data(), turned_.ld()});
  }
  const Buffer<T>& back = transposes ? turned_ : back_;
  const Buffer<T>& d = this->delta;
  const Buffer<T>& slopes = this->scratch[1];
  for (Index t = times_; t-- > 0;) {
    const bool carries = through != RecurrentFeedback::zero && t + 1 < times_;
    if (carries) {
      backend.propagate(
          Propagate<T>{{d.row((t + 1) * examples), d.ld(), examples, width, this->units.data(),
                        static_cast<Index>(this->units.size()), width, nullptr, 0, Activation::linear,
                        carried_.data(), carried_.ld(), partial, bad},
                       back.data(),
                       back.ld(),
                       0});
    }
    backend.recurrent_back({lambda_.data(), lambda_.ld(), carries ? carried_.data() : nullptr,
                            carried_.ld(), d.row(t * examples), d.ld(), slopes.row(t * examples),
                            slopes.ld(), examples, width, keep(), bad});
  }
}

template <class T>
RecurrentTrace<T> RecurrentLayer<T>::trace_pack(bool advance) const {
  RecurrentTrace<T> pack{};
  pack.trace = traces_.data();
  pack.ldp = traces_.ld();
  pack.z = z_.data();
  pack.ldz = z_.ld();
  pack.slope = slope_.data();
  pack.lds = slope_.ld();
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
    const Buffer<T>& z = this->scratch[0];
    return backend.dense_update({learning, parameters.arrays(), z.data(), z.ld(), n, this->n_in,
                                 seen_.data(), static_cast<Index>(seen_.size()), this->delta.data(),
                                 this->delta.ld(), this->n_out, nullptr, 0});
  }
  RecurrentTrace<T> pack = trace_pack(fresh_);
  fresh_ = false;
  pack.sent = this->delta.data();
  pack.ldd = this->delta.ld();
  const bool remembers = parameters.of_w.v || parameters.of_w.s;
  if (remembers) {  // such an optimizer needs the gradient first
    blank(backend, gradient_, this->w.rows(), this->n_out);
    if (this->bias) blank(backend, bias_gradient_, 1, this->n_out);
  }
  const Buffer<T>& to_w = remembers ? gradient_ : parameters.w;
  const Buffer<T>& to_bias = remembers ? bias_gradient_ : parameters.bias;
  pack.w = to_w.data();
  pack.ldw = to_w.ld();
  pack.bias = to_bias.data();
  pack.rate = remembers ? T(1) : learning.rate;
  pack.bias_rate = remembers ? T(1) : learning.bias_rate;
  pack.decay = remembers ? T(0) : learning.decay;
  pack.bias_decay = remembers ? T(0) : learning.bias_decay;
  backend.recurrent_trace(pack);
  if (!remembers) return;
  const auto apply = [&](const Learning<T>& own, const Buffer<T>& g, const Buffer<T>& to,
                         const Moments<T>& memory) {
    backend.apply_gradient({own, g.data(), std::numeric_limits<T>::infinity(), to.data(),
                            memory.v.data(), memory.s.data(), to.rows() * to.ld()});
  };
  apply(learning, to_w, parameters.w, parameters.of_w);
  if (to_bias) apply(learning.of_bias(), to_bias, parameters.bias, parameters.of_bias);
}

template <class T>
void RecurrentLayer<T>::lay_out(const Learning<T>& learning, RecurrentRun<T>& run) const {
  run.layer = trace_pack(true);
  run.layer.w = this->w.data();
  run.layer.ldw = this->w.ld();
  run.layer.bias = this->bias.data();
  run.layer.rate = learning.rate;
  run.layer.decay = learning.decay;
  run.layer.bias_rate = learning.bias_rate;
  run.layer.bias_decay = learning.bias_decay;
  run.inputs = inputs_;
  run.h = state_.data();
  run.room = room_.data();
  run.room_ld = room_.ld();
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

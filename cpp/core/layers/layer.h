// A layer and its state: parameters, the optimizer's memory, and the batch's activations and deltas.
// Each kind of layer is a file in this folder.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/layers/pattern.h"
#include "kernels/sigma.h"

namespace fastfa {

inline bool keeps_mean(Memory memory) { return memory == Memory::velocity || memory == Memory::adam; }
inline bool keeps_squares(Memory memory) { return memory == Memory::adam || memory == Memory::squares; }

// What an optimizer remembers of a matrix of parameters: velocity or mean of gradients v, of squares s.
template <class T>
struct Moments {
  Buffer<T> v, s;

  // Makes what is missing, at zero, and drops what `memory` has no use for.
  void reserve(Allocator& allocator, Memory memory, Index rows, Index cols) {
    const auto keep = [&](Buffer<T>& b, bool needed) {
      if (!needed) b = {};
      if (needed && !b) b = Buffer<T>(allocator, rows, cols);
    };
    keep(v, keeps_mean(memory));
    keep(s, keeps_squares(memory));
  }
};

// What a step changes: W as the pattern lays it out, a bias (1, biases), and the optimizer's memory of
// them. Empty: there is none.
template <class T>
struct Parameters {
  Buffer<T> w, bias;
  Moments<T> of_w, of_bias;

  // As the kernels take them.
  ParameterArrays<T> arrays() const {
    ParameterArrays<T> a{};
    a.w = w;
    a.v = of_w.v.data();
    a.s = of_w.s.data();
    a.bias = bias.data();
    a.v_bias = of_bias.v.data();
    a.s_bias = of_bias.s.data();
    return a;
  }
  // The step of a dense W (n_in, n_out) with gradient hᵀδ.
  DenseUpdate<T> dense_step(const Learning<T>& learning, Index n, View<const T> h, Ranges ranges,
                            View<const T> delta, View<const std::uint32_t> mask = {}) const {
    return {learning, arrays(), n, h, w.rows(), ranges, delta, w.cols(), mask};
  }

  void reserve_memory(Allocator& allocator, Memory memory) {
    if (w) of_w.reserve(allocator, memory, w.rows(), w.cols());
    if (bias) of_bias.reserve(allocator, memory, 1, bias.cols());
  }
};

// The optimizer's step with a gradient that is there already, each element cut off beyond ±limit.
template <class T>
void apply_gradient(Backend<T>& backend, const Learning<T>& learning, const Parameters<T>& gradient,
                    double limit, const Parameters<T>& to) {
  const auto apply = [&](const Learning<T>& own, const Buffer<T>& g, const Buffer<T>& w,
                         const Moments<T>& memory) {
    ApplyGradient<T> step{own};
    step.gradient = g.data();
    step.limit = static_cast<T>(limit);
    step.w = w.data();
    step.v = memory.v.data();
    step.s = memory.s.data();
    step.count = w.rows() * w.ld();
    backend.apply_gradient(step);
  };
  apply(learning, gradient.w, to.w, to.of_w);
  if (to.bias) apply(learning.of_bias(), gradient.bias, to.bias, to.of_bias);
}

// A step that adds the sum of the gradients over a batch, and does nothing else.
template <class T>
Learning<T> sum_of_gradients() {
  Learning<T> plain{};
  plain.rate = plain.bias_rate = T(1);
  return plain;
}

// A layer's buffers for the current batch.
template <class T>
struct Pass {
  Buffer<T> h, delta;              // (batch, n_out)
  Buffer<T> noisy;                 // (batch, n_out), for node perturbation
  Buffer<T> dropped;               // (batch, n_out), what dropout leaves of h; empty without dropout
  Buffer<T> slope;                 // (batch, n_out), σ′; empty where it is a function of h
  std::vector<Buffer<T>> scratch;  // what only this kind of layer needs
  Buffer<T> chosen;                // (batch, n_out), the inputs that max pooling took
  bool delta_zero = false;
};

// Is σ′ not a function of σ, so that the forward pass has to keep it?
inline bool keeps_slope(Activation activation) {
  return with_sigma(activation, [](auto sigma) { return sigma.keeps_slope; });
}

template <class T>
class Layer : public Pass<T>, public Parameters<T> {
 public:
  const LayerSpec spec;
  const Sigma sigma;
  const std::unique_ptr<Pattern<T>> pattern;
  const Index n_in, n_out;
  const std::vector<ColumnRange> units;  // all units, as ranges of columns

  virtual ~Layer() = default;
  Layer(const Layer&) = delete;
  Layer& operator=(const Layer&) = delete;

  // to (n, n_out) = σ(W h + b), h (n, n_in). Inputs outside `ranges` are zero.
  virtual void forward(Backend<T>& backend, const Buffer<T>& below,
                       const std::vector<ColumnRange>& ranges, Index n, Sigma activation,
                       const Buffer<T>& to, T* partial, int* bad) = 0;

  // The optimizer's step with gradient s hᵀδ: on the layer's own parameters, or on others of their
  // shape.
  virtual void learn(Backend<T>& backend, const Learning<T>& learning, const Buffer<T>& below,
                     const std::vector<ColumnRange>& ranges, Index n,
                     const Parameters<T>& parameters) const = 0;

  // product.delta (n, n_in) = Wᵀ product.source (n, n_out) ∘ σ′, or the derivative of a layer without W
  virtual void derive(Backend<T>& backend, const FeedbackProduct<T>& product) const {
    pattern->send_back(backend, product, this->w);
  }

  // Deferred updates: the step on W is left to the next forward pass, which reads W anyway. Only for
  // optimizers without memory and for at most small_batch examples. defer() keeps what the update
  // needs, the next forward() or catch_up() applies it. may_skip_decay: weight decay of a row may wait
  // until its input is not zero, because only the forward pass reads W meanwhile.
  virtual bool can_defer() const { return false; }
  virtual void defer(Backend<T>&, const Learning<T>&, const Buffer<T>& /*below*/,
                     const std::vector<ColumnRange>&, Index /*n*/, bool /*may_skip_decay*/) {}
  virtual void catch_up(Backend<T>&) {}

  // Can the kernels of tiny networks compute this layer? They need every weight of W.
  virtual bool can_be_tiny() const { return false; }

  // Sets weights that don't exist to zero, after the caller may have written to them.
  virtual void clear_removed() {}

  virtual void reserve(Backend<T>& backend, Index batch) {
    this->h = Buffer<T>(backend, batch, n_out);
    this->delta = Buffer<T>(backend, batch, n_out);
    this->noisy = {};
    if (spec.dropout > 0) this->dropped = Buffer<T>(backend, batch, n_out);
    if (keeps_slope(spec.activation)) this->slope = Buffer<T>(backend, batch, n_out);
  }

  // The input of the layer above: h, or what dropout leaves of it.
  const Buffer<T>& output(bool learning) const {
    return learning && this->dropped ? this->dropped : this->h;
  }

  // δ as the layers below get it.
  virtual const Buffer<T>& sent() const { return this->delta; }

  // What feedback takes σ′ from.
  const Buffer<T>& slope_source() const { return this->slope ? this->slope : this->h; }

  // Multiplications of a forward pass, for each example.
  double work() const { return static_cast<double>(n_out) * static_cast<double>(pattern->fan_in); }

  void exchange(Pass<T>& other) { std::swap(static_cast<Pass<T>&>(*this), other); }

 protected:
  Layer(Allocator& allocator, const LayerSpec& s, std::unique_ptr<Pattern<T>> made, std::uint64_t seed,
        std::uint32_t index)
      : spec(s),
        sigma(s.activation, s.leaky_slope),
        pattern(std::move(made)),
        n_in(pattern->n_in),
        n_out(pattern->n_out),
        units(all_columns(n_out)) {
    this->w = pattern->make(allocator);
    if (s.bias) this->bias = Buffer<T>(allocator, 1, pattern->biases);
    pattern->draw(this->w, seed, Purpose::weights, index, pattern->weight_scale(s));
  }
};

// The functions that check and make layers of one kind.
template <class T>
struct LayerKind {
  // Throws std::invalid_argument, which begins with `where`, if there is no such layer above n_in
  // inputs; else its number of units, which may be too large yet.
  Index (*check)(const LayerSpec& spec, Index n_in, const std::string& where);
  std::unique_ptr<Pattern<T>> (*make_pattern)(const LayerSpec& spec, Index n_in);
  std::unique_ptr<Layer<T>> (*make_layer)(Allocator& allocator, const LayerSpec& spec, Index n_in,
                                          std::uint64_t seed, std::uint32_t index);
};

// The kinds, each in the file of its name.
template <class T>
LayerKind<T> dense_kind();
template <class T>
LayerKind<T> local_kind();
template <class T>
LayerKind<T> conv_kind();
template <class T>
LayerKind<T> pool_kind();

template <class T>
LayerKind<T> recurrent_kind();

template <class T>
LayerKind<T> kind_of(const LayerSpec& spec) {
  if (is_recurrent(spec)) return recurrent_kind<T>();
  if (spec.local.maps == 0) return dense_kind<T>();
  if (is_pooling(spec)) return pool_kind<T>();
  return spec.local.patches == Patches::shared ? conv_kind<T>() : local_kind<T>();
}

template <class T>
std::unique_ptr<Pattern<T>> make_pattern(const LayerSpec& spec, Index n_in) {
  return kind_of<T>(spec).make_pattern(spec, n_in);
}

}  // namespace fastfa

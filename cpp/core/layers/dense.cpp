// A dense layer: every unit sees every input, but for weights that `density` has removed. W is kept
// input-major, (n_in, n_out).
#include "core/base/messages.h"
#include "core/layers/layer.h"
#include "core/layers/mask.h"

namespace fastfa {
namespace {

template <class T>
class DensePattern final : public Pattern<T> {
 public:
  DensePattern(Index inputs, Index units) : Pattern<T>({"dense", inputs, units, inputs, true, units}) {}

  Index count() const override { return this->n_in * this->n_out; }
  Buffer<T> make(Allocator& allocator) const override {
    return Buffer<T>(allocator, this->n_in, this->n_out);
  }
  // Element i of the public, row-major W (n_out, n_in).
  void draw(const Buffer<T>& weights, std::uint64_t seed, Purpose purpose, std::uint32_t index,
            double scale) const override {
    const Index inputs = this->n_in;
    draw_uniform(seed, purpose, index, count(), scale, [&](Index i, double value) {
      weights.row(i % inputs)[i / inputs] = static_cast<T>(value);
    });
  }
  WeightView<T> view(const Buffer<T>& weights) const override {
    return {weights.data(), {this->n_out, this->n_in}, {1, weights.ld()}};
  }
  void send_back(Backend<T>& backend, const FeedbackProduct<T>& product,
                 const Buffer<T>& weights) override {
    backend.propagate(Propagate<T>{product, weights, 1});
  }
  void write_matrix(Backend<T>& backend, const Buffer<T>& weights, const Buffer<T>& to, T*) override {
    backend.transpose({this->n_in, weights, this->n_out, to});
  }
};

Index check_dense(const LayerSpec& spec, Index n_in, const std::string& where) {
  if (spec.mask.empty() || spec.units < 1) return spec.units;
  if (spec.density != 1) {
    refuse(where + ".density was " + text(spec.density) + " beside a mask; it must be 1");
  }
  if (static_cast<double>(spec.mask.size()) !=
      static_cast<double>(spec.units) * static_cast<double>(n_in)) {
    refuse(where + ".mask has " + std::to_string(spec.mask.size()) + " elements; there must be " +
           std::to_string(spec.units) + " times " + std::to_string(n_in));
  }
  if (spec.existing() == 0) refuse(where + ".mask has no weight; there must be at least one");
  return spec.units;
}

// A step with few examples whose update is left to the next forward pass, which reads W anyway.
template <class T>
struct DeferredUpdate {
  Index n = 0;  // examples; 0: there is none
  Learning<T> learning{};
  Buffer<T> h, delta;  // (small_batch, n_in), (small_batch, n_out)
  // pending_decays[i], of (1, n_in): steps of weight decay not yet applied to row i of W. Empty: rows
  // decay in every step.
  Buffer<std::int32_t> pending_decays;
  bool has_pending = false;  // some of pending_decays may be above 0
  const std::vector<ColumnRange>* ranges = nullptr;
};

template <class T>
class DenseLayer final : public Layer<T> {
 public:
  DenseLayer(Allocator& allocator, const LayerSpec& s, Index inputs, std::uint64_t seed,
             std::uint32_t index)
      : Layer<T>(allocator, s, std::make_unique<DensePattern<T>>(inputs, s.units), seed, index) {
    if (s.existing() == 1) return;
    mask_ = Buffer<std::uint32_t>(allocator, inputs, (this->n_out + 31) / 32);
    for_existing(s, this->n_out, inputs, seed, index,
                 [&](Index o, Index i) { mask_.row(i)[o / 32] |= std::uint32_t{1} << o % 32; });
    clear_removed();
  }

  void forward(Backend<T>& backend, const Buffer<T>& below, const std::vector<ColumnRange>& ranges,
               Index n, Sigma activation, const Buffer<T>& to, T* partial, int* bad) override {
    DenseForward<T> pass{};
    pass.n = n;
    pass.h = below;
    pass.n_in = this->n_in;
    pass.ranges = ranges;
    pass.w = this->w;
    pass.n_out = this->n_out;
    pass.bias = this->bias.data();
    pass.activation = activation;
    pass.a = to;
    pass.partial = partial;
    pass.bad = bad;
    if (deferred_.n != n) catch_up(backend);
    if (deferred_.n == 0) return backend.dense_forward(pass);
    backend.dense_online({pass, deferred_pack()});
    deferred_.n = 0;
    deferred_.has_pending = deferred_.pending_decays && deferred_.learning.decay != 0;
  }

  void learn(Backend<T>& backend, const Learning<T>& learning, const Buffer<T>& below,
             const std::vector<ColumnRange>& ranges, Index n,
             const Parameters<T>& parameters) const override {
    backend.dense_update(parameters.dense_step(learning, n, below, ranges, this->delta, mask_));
  }

  bool can_defer() const override { return !mask_; }
  void defer(Backend<T>& backend, const Learning<T>& learning, const Buffer<T>& below,
             const std::vector<ColumnRange>& ranges, Index n, bool may_skip_decay) override {
    DeferredUpdate<T>& d = deferred_;
    if (!d.h) {
      d.h = Buffer<T>(backend, small_batch, this->n_in);
      d.delta = Buffer<T>(backend, small_batch, this->n_out);
      if (may_skip_decay) d.pending_decays = Buffer<std::int32_t>(backend, 1, this->n_in);
    }
    backend.copy(below.data(), d.h.data(), n * d.h.ld());
    backend.copy(this->delta.data(), d.delta.data(), n * d.delta.ld());
    d.learning = learning;
    d.ranges = &ranges;
    d.n = n;
  }
  void catch_up(Backend<T>& backend) override {
    if (deferred_.n > 0 || deferred_.has_pending) backend.dense_update(deferred_pack());
    deferred_.n = 0;
    deferred_.has_pending = false;
  }

  bool can_be_tiny() const override { return !mask_ && !keeps_slope(this->spec.activation); }
  void clear_removed() override { fastfa::clear_removed(mask_, this->w); }

 private:
  // Without a mask: a layer that has one defers no update (can_defer).
  DenseUpdate<T> deferred_pack() const {
    const DeferredUpdate<T>& d = deferred_;
    DenseUpdate<T> pack = this->dense_step(d.learning, d.n, d.h, *d.ranges, d.delta);
    if (d.n == 0) pack.bias = nullptr;
    pack.pending_decays = d.pending_decays.data();
    return pack;
  }

  Buffer<std::uint32_t> mask_;  // bits of which weights exist, (n_in, n_out / 32); empty: all
  DeferredUpdate<T> deferred_;
};

}  // namespace

template <class T>
LayerKind<T> dense_kind() {
  return {check_dense,
          [](const LayerSpec& spec, Index n_in) -> std::unique_ptr<Pattern<T>> {
            return std::make_unique<DensePattern<T>>(n_in, spec.units);
          },
          [](Allocator& allocator, const LayerSpec& spec, Index n_in, std::uint64_t seed,
             std::uint32_t index) -> std::unique_ptr<Layer<T>> {
            return std::make_unique<DenseLayer<T>>(allocator, spec, n_in, seed, index);
          }};
}
template LayerKind<float> dense_kind<float>();
template LayerKind<double> dense_kind<double>();

}  // namespace fastfa

// A dense layer and its state: parameters, the optimizer's memory, and the batch's activations and
// deltas.
#pragma once

#include <cmath>
#include <utility>
#include <vector>

#include "core/backend.h"
#include "core/buffer.h"
#include "core/random.h"
#include "fastfa/types.h"

namespace fastfa {

// The columns [0, n) in runs, as the kernels take them.
inline std::vector<Run> all_columns(Index n) {
  std::vector<Run> runs;
  for (Index begin = 0; begin < n; begin += k_block) {
    runs.push_back({static_cast<std::int32_t>(begin),
                    static_cast<std::int32_t>(begin + k_block < n ? begin + k_block : n)});
  }
  return runs;
}

// What an optimizer remembers of a matrix of parameters.
template <class T>
struct Moments {
  Buffer<T> v, s;

  // Makes what is missing, at zero, and drops what `memory` has no use for.
  void reserve(Place& place, Memory memory, Index rows, Index cols) {
    if (memory == Memory::none) v = {};
    if (memory != Memory::none && !v) v = Buffer<T>(place, rows, cols);
    if (memory != Memory::adam) s = {};
    if (memory == Memory::adam && !s) s = Buffer<T>(place, rows, cols);
  }
};

// What a layer holds of the batch under way.
template <class T>
struct Pass {
  Buffer<T> h, delta, noisy, dropped, in_across, out_across;
  bool delta_zero = false;
};

// Which weights of a layer exist is drawn from its own stream. Calls keep(o, i) for those of W (n_out,
// n_in) that do.
template <class Keep>
void for_existing(const LayerSpec& layer, Index n_out, Index n_in, std::uint64_t seed,
                  std::uint32_t index, Keep&& keep) {
  UnitStream unit(seed, Purpose::mask, index);
  for (Index e = 0; e < n_out * n_in; ++e) {
    if (unit(e) < layer.density) keep(e / n_in, e % n_in);
  }
}

// Sets to zero what has no bit in the mask (rows, cols / 32); an empty mask keeps all.
template <class T>
void clear_removed(const Buffer<std::uint32_t>& mask, const Buffer<T>& values) {
  for (Index r = 0; mask && r < values.rows(); ++r) {
    for (Index c = 0; c < values.cols(); ++c) {
      if (!(mask.row(r)[c / 32] >> c % 32 & 1)) values.row(r)[c] = T(0);
    }
  }
}

// The kernels' view of a local layer; of one that isn't, maps is 0.
inline LocalShape local_shape(const LocalSpec& s) {
  LocalShape k{s.channels, s.height,   s.width, s.maps, s.kernel_h, s.kernel_w,
               s.stride_h, s.stride_w, 0,       0,      0,          0};
  if (s.maps == 0) return k;
  const auto fit = [&](Index size, Index kernel, Index stride, Index& pad, Index& out) {
    out = s.same ? (size + stride - 1) / stride : size < kernel ? 0 : (size - kernel) / stride + 1;
    const Index missing = (out - 1) * stride + kernel - size;
    pad = s.same && missing > 0 ? missing / 2 : 0;
  };
  fit(s.height, s.kernel_h, s.stride_h, k.pad_h, k.out_h);
  fit(s.width, s.kernel_w, s.stride_w, k.pad_w, k.out_w);
  return k;
}

inline Index units_of(const LayerSpec& s) {
  return s.local.maps > 0 ? local_shape(s.local).units() : s.units;
}

// Where element i of the public, row-major weights (maps, out_h, out_w, channels, kernel_h, kernel_w)
// lies.
inline void local_place(const LocalShape& s, Index i, Index& row, Index& column) {
  const Index k = i % (s.kernel_h * s.kernel_w), rest = i / (s.kernel_h * s.kernel_w);
  const Index unit = rest / s.channels;
  row = unit % s.positions();
  column = rest % s.channels * s.block() + k * s.maps + unit / s.positions();
}

// What a step with few examples leaves to the next forward pass, which reads W anyway: its update.
template <class T>
struct Late {
  Index n = 0;  // examples; 0: nothing is left
  Learning<T> rule{};
  Buffer<T> h, delta;         // (few_rows, n_in), (few_rows, n_out)
  Buffer<std::int32_t> owed;  // (1, n_in): decays that rows of W without inputs are behind; or none is
  bool owes = false;          // perhaps
  const std::vector<Run>* runs = nullptr;
};

template <class T>
struct Layer {
  LayerSpec spec;
  LocalShape local;  // maps 0: dense
  Index n_in, n_out;
  Buffer<T> w, bias;  // W of a dense layer input-major (n_in, n_out), of a local one by positions; bias
                      // (1, n_out)
  Moments<T> of_w, of_bias;
  Buffer<std::uint32_t> mask;       // bits of which weights exist (n_in, n_out / 32); empty: all
  Buffer<T> h, delta;               // (batch, n_out)
  Buffer<T> noisy;                  // (batch, n_out), for node perturbation
  Buffer<T> dropped;                // (batch, n_out), what dropout leaves of h; empty without dropout
  Buffer<T> in_across, out_across;  // of a local layer: (n_in, batch), (n_out, batch)
  bool delta_zero = false;
  Late<T> late;
  std::vector<Run> units;  // all of this layer's units

  Layer(Place& place, const LayerSpec& s, Index inputs, std::uint64_t seed, std::uint32_t index)
      : spec(s),
        local(local_shape(s.local)),
        n_in(inputs),
        n_out(units_of(s)),
        units(all_columns(n_out)) {
    const Index fan_in = is_local() ? local.patch() : n_in;
    const double omega = s.weight_scale.value_or(1.0 / std::sqrt(static_cast<double>(fan_in)));
    w = is_local() ? Buffer<T>(place, local.positions(), local.channels * local.block())
                   : Buffer<T>(place, n_in, n_out);
    if (s.bias) bias = Buffer<T>(place, 1, n_out);
    if (is_local()) {
      draw_uniform(seed, Purpose::weights, index, n_out * local.patch(), omega,
                   [&](Index i, double value) {
                     Index row = 0, column = 0;
                     local_place(local, i, row, column);
                     w.row(row)[column] = static_cast<T>(value);
                   });
      return;
    }
    // Element i of the public, row-major W (n_out, n_in).
    draw_uniform(seed, Purpose::weights, index, n_in * n_out, omega,
                 [&](Index i, double value) { w.row(i % n_in)[i / n_in] = static_cast<T>(value); });
    if (s.density == 1) return;
    mask = Buffer<std::uint32_t>(place, n_in, (n_out + 31) / 32);
    for_existing(s, n_out, n_in, seed, index,
                 [&](Index o, Index i) { mask.row(i)[o / 32] |= std::uint32_t{1} << o % 32; });
    clear_removed();
  }

  bool is_local() const { return local.maps > 0; }

  // What the layer above is given.
  const Buffer<T>& output(bool learning) const { return learning && dropped ? dropped : h; }

  // Such weights as they are shown.
  WeightView<T> view(const Buffer<T>& weights) const {
    if (!is_local()) return {weights.data(), {n_out, n_in}, {1, weights.ld()}};
    const LocalShape& s = local;
    return {weights.data(),
            {s.maps, s.out_h, s.out_w, s.channels, s.kernel_h, s.kernel_w},
            {1, s.out_w * weights.ld(), weights.ld(), s.block(), s.kernel_w * s.maps, s.maps}};
  }

  // Weights that don't exist are zero, whatever was written there.
  void clear_removed() { fastfa::clear_removed(mask, w); }

  void exchange(Pass<T>& other) {
    std::swap(h, other.h);
    std::swap(delta, other.delta);
    std::swap(noisy, other.noisy);
    std::swap(dropped, other.dropped);
    std::swap(in_across, other.in_across);
    std::swap(out_across, other.out_across);
    std::swap(delta_zero, other.delta_zero);
  }

  void reserve(Place& place, Index batch) {
    h = Buffer<T>(place, batch, n_out);
    delta = Buffer<T>(place, batch, n_out);
    noisy = {};
    if (spec.dropout > 0) dropped = Buffer<T>(place, batch, n_out);
    if (!is_local()) return;
    in_across = Buffer<T>(place, n_in, batch);
    out_across = Buffer<T>(place, n_out, batch);
    scratch = Buffer<T>(place, 1, local_tiles * local.template scratch<T>());
    bias_gradient = Buffer<T>(place, 1, n_out);
    if (batch > k_block && local.template whole<T>() > 0) {
      whole = Buffer<double>(place, 1, local_tiles * local.template whole<T>());
    }
  }

  void reserve_memory(Place& place, Memory memory) {
    of_w.reserve(place, memory, w.rows(), w.cols());
    if (bias) of_bias.reserve(place, memory, 1, n_out);
  }

  // to (n, n_out) = σ(W h + b), h (n, n_in). Inputs outside `runs` are zero.
  void forward(Backend<T>& backend, const Buffer<T>& below, const std::vector<Run>& runs, Index n,
               Activation activation, const Buffer<T>& to, T* partial, int* bad) {
    if (is_local()) {
      backend.local_forward({local, below.data(), below.ld(), n, w.data(), w.ld(), bias.data(),
                             static_cast<int>(activation), in_across.data(), out_across.data(),
                             out_across.ld(), scratch.data(), to.data(), to.ld(), bad});
      return;
    }
    const DenseForward<T> pass{below.data(),
                               below.ld(),
                               n,
                               n_in,
                               runs.data(),
                               static_cast<Index>(runs.size()),
                               w.data(),
                               w.ld(),
                               n_out,
                               bias.data(),
                               static_cast<int>(activation),
                               to.data(),
                               to.ld(),
                               partial,
                               bad};
    if (late.n != n) catch_up(backend);
    if (late.n == 0) return backend.dense_forward(pass);
    backend.dense_online({pass, late_update()});
    late.n = 0;
    late.owes = late.owed && late.rule.decay != 0;
  }

  // The optimizer's step with gradient s hᵀδ on `weights`, which are laid out as W; with_bias: they are
  // W, and the bias learns too.
  void learn(Backend<T>& backend, const Learning<T>& rule, const Buffer<T>& below,
             const std::vector<Run>& runs, Index n, const Buffer<T>& weights, const Moments<T>& moments,
             bool with_bias) const {
    T* const b = with_bias ? bias.data() : nullptr;
    if (is_local()) {
      backend.local_update({rule,
                            local,
                            below.data(),
                            below.ld(),
                            delta.data(),
                            delta.ld(),
                            n,
                            in_across.data(),
                            out_across.data(),
                            out_across.ld(),
                            weights.data(),
                            weights.ld(),
                            moments.v.data(),
                            moments.s.data(),
                            b,
                            of_bias.v.data(),
                            of_bias.s.data(),
                            scratch.data(),
                            bias_gradient.data(),
                            whole.data()});
      return;
    }
    backend.dense_update(update_pack(rule, below, runs, n, delta, weights, moments, with_bias));
  }

  // Leaves such a step to the next forward pass, or to catch_up(). It must be a plain one, without
  // memory of gradients or weights that don't exist, and have few_rows examples at the most. may_owe:
  // nothing but the forward pass reads W meanwhile.
  bool may_wait() const { return !is_local() && !mask; }
  void learn_late(Backend<T>& backend, const Learning<T>& rule, const Buffer<T>& below,
                  const std::vector<Run>& runs, Index n, bool may_owe) {
    if (!late.h) {
      late.h = Buffer<T>(backend, few_rows, n_in);
      late.delta = Buffer<T>(backend, few_rows, n_out);
      if (may_owe) late.owed = Buffer<std::int32_t>(backend, 1, n_in);
    }
    backend.copy(below.data(), late.h.data(), n * late.h.ld());
    backend.copy(delta.data(), late.delta.data(), n * late.delta.ld());
    late.rule = rule;
    late.runs = &runs;
    late.n = n;
  }
  void catch_up(Backend<T>& backend) {
    if (late.n > 0 || late.owes) backend.dense_update(late_update());
    late.n = 0;
    late.owes = false;
  }

 private:
  DenseUpdate<T> update_pack(const Learning<T>& rule, const Buffer<T>& below,
                             const std::vector<Run>& runs, Index n, const Buffer<T>& d,
                             const Buffer<T>& weights, const Moments<T>& moments, bool with_bias) const {
    return {rule,
            below.data(),
            below.ld(),
            n,
            n_in,
            runs.data(),
            static_cast<Index>(runs.size()),
            d.data(),
            d.ld(),
            n_out,
            weights.data(),
            weights.ld(),
            moments.v.data(),
            moments.s.data(),
            with_bias ? bias.data() : nullptr,
            of_bias.v.data(),
            of_bias.s.data(),
            with_bias ? mask.data() : nullptr,
            mask.ld()};
  }
  DenseUpdate<T> late_update() const {
    DenseUpdate<T> pack =
        update_pack(late.rule, late.h, *late.runs, late.n, late.delta, w, {}, late.n > 0);
    pack.owed = late.owed.data();
    return pack;
  }

  Buffer<T> scratch, bias_gradient;  // of local layers
  Buffer<double> whole;
};

}  // namespace fastfa

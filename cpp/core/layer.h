// A dense layer and its state: parameters, the optimizer's memory, and the batch's activations and
// deltas.
#pragma once

#include <vector>

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

// What an optimizer remembers of a matrix of parameters: nothing, velocities, or Adam's two moments.
enum class Memory : int { none, velocity, adam };
template <class T>
struct Moments {
  Buffer<T> v, s;

  // Makes what is missing, at zero, and drops what `memory` has no use for.
  void reserve(Memory memory, Index rows, Index cols) {
    if (memory == Memory::none) v = {};
    if (memory != Memory::none && !v) v = Buffer<T>(rows, cols);
    if (memory != Memory::adam) s = {};
    if (memory == Memory::adam && !s) s = Buffer<T>(rows, cols);
  }
};

template <class T>
struct DenseLayer {
  DenseSpec spec;
  Index n_in, n_out;
  Buffer<T> w, bias;  // W input-major (n_in, n_out), bias (1, n_out)
  Moments<T> of_w, of_bias;
  Buffer<std::uint32_t> mask;  // bits of which weights exist (n_in, n_out / 32); empty: all
  Buffer<T> h, delta;          // (batch, n_out)
  Buffer<T> noisy;             // (batch, n_out), for node perturbation
  bool delta_zero = false;
  std::vector<Run> units;  // all of this layer's units

  DenseLayer(const DenseSpec& s, Index inputs, std::uint64_t seed, std::uint32_t index)
      : spec(s), n_in(inputs), n_out(s.units), w(inputs, s.units), units(all_columns(s.units)) {
    const bool whole = s.density == 1;
    if (!whole) mask = Buffer<std::uint32_t>(n_in, (n_out + 31) / 32);
    UnitStream unit(seed, Purpose::mask, index);
    // Element i of the public, row-major W (n_out, n_in).
    draw_uniform(seed, Purpose::weights, index, n_in * n_out, s.weight_scale,
                 [&](Index i, double value) {
                   const Index in = i % n_in, out = i / n_in;
                   if (!whole && unit(i) >= s.density) return;
                   w.row(in)[out] = static_cast<T>(value);
                   if (!whole) mask.row(in)[out / 32] |= std::uint32_t{1} << out % 32;
                 });
    if (s.bias) bias = Buffer<T>(1, n_out);
  }

  // Weights that don't exist are zero, whatever was written there.
  void clear_removed() {
    for (Index i = 0; mask && i < n_in; ++i) {
      for (Index o = 0; o < n_out; ++o) {
        if (!(mask.row(i)[o / 32] >> o % 32 & 1)) w.row(i)[o] = T(0);
      }
    }
  }

  void reserve(Index batch) {
    h = Buffer<T>(batch, n_out);
    delta = Buffer<T>(batch, n_out);
    noisy = {};
  }

  void reserve_memory(Memory memory) {
    of_w.reserve(memory, n_in, n_out);
    if (bias) of_bias.reserve(memory, 1, n_out);
  }
};

}  // namespace fastfa

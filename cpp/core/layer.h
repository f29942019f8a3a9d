// A dense layer and its state: parameters, velocities, and the batch's activations and deltas.
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

template <class T>
struct DenseLayer {
  DenseSpec spec;
  Index n_in, n_out;
  Buffer<T> w, bias;    // W input-major (n_in, n_out), bias (1, n_out)
  Buffer<T> v, v_bias;  // velocities; empty until momentum is used
  Buffer<T> h, delta;   // (batch, n_out)
  bool delta_zero = false;
  std::vector<Run> units;  // all of this layer's units

  DenseLayer(const DenseSpec& s, Index inputs, std::uint64_t seed, std::uint32_t index)
      : spec(s), n_in(inputs), n_out(s.units), w(inputs, s.units), units(all_columns(s.units)) {
    // Element i of the public, row-major W (n_out, n_in).
    draw_uniform(seed, Purpose::weights, index, n_in * n_out, s.weight_scale,
                 [&](Index i, double value) { w.row(i % n_in)[i / n_in] = static_cast<T>(value); });
    if (s.bias) bias = Buffer<T>(1, n_out);
  }

  void reserve(Index batch) {
    h = Buffer<T>(batch, n_out);
    delta = Buffer<T>(batch, n_out);
  }

  // Velocities exist only while momentum does; they start at zero.
  void reserve_momentum(bool wanted) {
    if (wanted == static_cast<bool>(v)) return;
    v = wanted ? Buffer<T>(n_in, n_out) : Buffer<T>();
    v_bias = wanted && bias ? Buffer<T>(1, n_out) : Buffer<T>();
  }
};

}  // namespace fastfa

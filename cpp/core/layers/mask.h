// Which weights of a dense layer exist, where a share of them doesn't (LayerSpec::density).
#pragma once

#include "core/buffer.h"
#include "core/random.h"
#include "fastfa/types.h"

namespace fastfa {

// Drawn from a stream of its own. Calls keep(o, i) for those of W (n_out, n_in) that exist.
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

}  // namespace fastfa

// The mask of a sparse dense layer: which of its weights exist, by LayerSpec::mask or ::density.
#pragma once

#include "core/base/random.h"
#include "core/machine/buffer.h"
#include "fastfa/types.h"

namespace fastfa {

// Calls keep(o, i) for each element of W (n_out, n_in) that exists. Without a mask they are drawn from a
// random stream that serves nothing else.
template <class Keep>
void for_existing(const LayerSpec& layer, Index n_out, Index n_in, std::uint64_t seed,
                  std::uint32_t index, Keep&& keep) {
  UnitStream unit(seed, Purpose::mask, index);
  for (Index e = 0; e < n_out * n_in; ++e) {
    const bool exists =
        layer.mask.empty() ? unit(e) < layer.density : bool{layer.mask[static_cast<std::size_t>(e)]};
    if (exists) keep(e / n_in, e % n_in);
  }
}

// Sets each value to zero whose bit in the mask (rows, cols / 32) is 0. An empty mask changes nothing.
template <class T>
void clear_removed(const Buffer<std::uint32_t>& mask, const Buffer<T>& values) {
  for (Index r = 0; mask && r < values.rows(); ++r) {
    for (Index c = 0; c < values.cols(); ++c) {
      if (!(mask.row(r)[c / 32] >> c % 32 & 1)) values.row(r)[c] = T(0);
    }
  }
}

}  // namespace fastfa

// Activations that the caller computes.
#pragma once

#include <vector>

#include "core/base/doubles.h"
#include "core/machine/buffer.h"
#include "core/machine/float_mode.h"

namespace fastfa {

// slope ← σ′(h), then h ← σ(h), of n rows. Sets `bad` if an answer is NaN, infinite or too large.
template <class T>
void activate_by(const Activator& activator, const Buffer<T>& h, const Buffer<T>& slope, Index n,
                 int* bad) {
  const Index units = h.cols();
  std::vector<double> a;
  to_doubles<T>(h, n, units, a);
  std::vector<double> value(a.size()), derivative(a.size());
  {
    const KeepSubnormals plain;
    activator(a.data(), n, units, value.data(), derivative.data());
  }
  const bool fine = from_doubles<T>(derivative, n, units, slope);
  if (!from_doubles<T>(value, n, units, h) || !fine) *bad = 1;
}

}  // namespace fastfa

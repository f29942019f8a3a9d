// Activations that the caller computes, in double precision.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/machine/buffer.h"
#include "core/machine/float_mode.h"

namespace fastfa {

// slope ← σ′(h), then h ← σ(h), of n rows. Sets `bad` if an answer is NaN, infinite or too large.
template <class T>
void activate_by(const Activator& activator, const Buffer<T>& h, const Buffer<T>& slope, Index n,
                 int* bad) {
  const Index units = h.cols();
  const auto count = static_cast<std::size_t>(n * units);
  std::vector<double> a(count), value(count), derivative(count);
  for (Index r = 0; r < n; ++r) std::copy_n(h.row(r), units, a.data() + r * units);
  {
    const KeepSubnormals plain;
    activator(a.data(), n, units, value.data(), derivative.data());
  }
  const auto put = [&](const std::vector<double>& from, const Buffer<T>& to) {
    for (Index r = 0; r < n; ++r) {
      for (Index i = 0; i < units; ++i) {
        const double answer = from[static_cast<std::size_t>(r * units + i)];
        if (!(std::abs(answer) <= value_limit<T>)) *bad = 1;
        to.row(r)[i] = static_cast<T>(answer);
      }
    }
  };
  put(derivative, slope);
  put(value, h);
}

}  // namespace fastfa

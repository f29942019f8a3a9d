// delta ← factor · delta ∘ σ′(h), row by row: the end of feedback that was not made by a product.
#pragma once

#include "kernels/math.h"

namespace fastfa {
namespace {

template <class T>
int times_slope_tiles(const TimesSlope<T>& g) {
  return tiny(g.n, g.cols, 8) ? 1 : static_cast<int>(min(g.n, max_row_chunks));
}

template <class T>
void times_slope_run(const TimesSlope<T>& g, int tile, int tile_end) {
  const int tiles = times_slope_tiles(g);
  const Index width = round_up(g.cols, lanes<T>);
  bool ok = true;
  for (Index n = tile * g.n / tiles; n < tile_end * g.n / tiles; ++n) {
    T* delta = g.delta[n];
    if (g.factor) {
      const T factor = static_cast<T>(g.factor[n]);
      for (Index i = 0; i < width; i += lanes<T>) store(delta + i, factor * load(delta + i));
    }
    times_derivative(delta, g.h[n], width, g.activation);
    ok &= row_within_limit(delta, width);
  }
  if (!ok) report(g.bad);
}

}  // namespace
}  // namespace fastfa

// slope ← σ′(h), h ← σ(h), row by row.
#pragma once

#include "kernels/math.h"

namespace fastfa {
namespace {

template <class T>
int activate_tiles(const Activate<T>& p) {
  return tiny(p.n, p.cols, 32) ? 1 : static_cast<int>(min(p.n, max_row_chunks));
}

template <class T>
void activate_run(const Activate<T>& p, int tile, int tile_end) {
  const int tiles = activate_tiles(p);
  const Index width = round_up(p.cols, lanes<T>);
  for (Index n = tile * p.n / tiles; n < tile_end * p.n / tiles; ++n) {
    activate_with_slope(p.h[n], p.slope[n], width, p.activation);
  }
}

}  // namespace
}  // namespace fastfa

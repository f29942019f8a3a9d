// Row by row: x·y, x·x and y·y, summed in double precision. For the instruments.
#pragma once

#include "kernels/simd.h"

namespace fastfa {
namespace {

template <class T>
int row_dots_tiles(const RowDots<T>& d) {
  return tiny(d.n, d.cols, 4) ? 1 : static_cast<int>(min(d.n, max_row_chunks));
}

template <class T>
void row_dots_run(const RowDots<T>& d, int tile, int tile_end) {
  using Doubles = typename Simd<T>::Doubles;
  const Index tiles = row_dots_tiles(d);
  for (Index n = tile * d.n / tiles; n < tile_end * d.n / tiles; ++n) {
    Doubles xy{}, xx{}, yy{};
    for (Index c = 0; c < d.cols; c += lanes<T>) {
      const Doubles x = __builtin_convertvector(load(d.x[n] + c), Doubles);
      const Doubles y = __builtin_convertvector(load(d.y[n] + c), Doubles);
      xy += x * y;
      xx += x * x;
      yy += y * y;
    }
    double* out = d.out + 3 * n;
    out[0] = out[1] = out[2] = 0;
    for (int i = 0; i < lanes<T>; ++i) {
      out[0] += xy[i];
      out[1] += xx[i];
      out[2] += yy[i];
    }
  }
}

}  // namespace
}  // namespace fastfa

// to (cols, n) ← x (n, cols) transposed, overwritten; n is padded with zeros to whole vectors.
#pragma once

#include "kernels/multiply.h"

namespace fastfa {
namespace {

template <class T>
int transpose_tiles(const Transpose<T>& t) {
  return tiny(t.n, t.cols, 8) ? 1 : static_cast<int>(min((t.cols + lanes<T> - 1) / lanes<T>, 16));
}

template <class T>
void transpose_run(const Transpose<T>& t, int tile, int tile_end) {
  constexpr int n = lanes<T>;
  const Index tiles = transpose_tiles(t), blocks = (t.cols + n - 1) / n;
  for (Index b = tile * blocks / tiles; b < tile_end * blocks / tiles; ++b) {
    for (Index r = 0; r < t.n; r += n) {
      Vec<T> block[n];
      for (int i = 0; i < n; ++i) block[i] = r + i < t.n ? load(t.x[r + i] + b * n) : Vec<T>{};
      transpose_block<T>(block);
      for (int i = 0; i < min(n, t.cols - b * n); ++i) store(t.to[b * n + i] + r, block[i]);
    }
  }
}

}  // namespace
}  // namespace fastfa

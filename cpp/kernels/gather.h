// The batch: rows order[…] of the caller's array, copied to aligned storage while it is found out which
// columns are zero in all of them and whether every value is fit to train on.
#pragma once

#include "kernels/simd.h"

namespace fastfa {
namespace {

constexpr Index gather_cols = 128;  // columns of one tile

template <class T>
int gather_tiles(const Gather<T>& g) {
  return tiny(g.n, g.cols, 4) ? 1 : static_cast<int>((g.cols + gather_cols - 1) / gather_cols);
}

template <class T>
void gather_columns(const Gather<T>& g, Index begin, Index end) {
  Mask<T> any[gather_cols / 2] = {};  // 2: the fewest lanes, doubles in 16 bytes
  Mask<T> ok = Mask<T>{} - 1;
  for (Index n = 0; n < g.n; ++n) {
    const T* x = g.x[g.order[n]];
    if (n + 2 < g.n) {
      const T* next = g.x[g.order[n + 2]];
      for (Index c = begin; c < end; c += 64 / Index{sizeof(T)}) __builtin_prefetch(next + c);
    }
    for (Index c = begin, i = 0; c < end; c += lanes<T>, ++i) {
      const Vec<T> v = load_unaligned(x + c, end - c);
      any[i] |= (v != 0);
      ok &= within_limit<T>(v);
      store(g.h[n] + c, v);
    }
  }
  if (!all<T>(ok)) report(g.bad);
  for (Index c = begin; c < end; ++c) {
    g.active[c] = any[(c - begin) / lanes<T>][(c - begin) % lanes<T>] != 0;
  }
}

template <class T>
void gather_run(const Gather<T>& g, int tile, int tile_end) {
  if (gather_tiles(g) == 1) tile_end = static_cast<int>((g.cols + gather_cols - 1) / gather_cols);
  for (; tile < tile_end; ++tile) {
    const Index begin = tile * gather_cols;
    gather_columns(g, begin, min(begin + gather_cols, g.cols));
  }
}

}  // namespace
}  // namespace fastfa

// a = σ(h W + b): h (n, n_in) · W (n_in, n_out) → a (n, n_out), overwritten.
#pragma once

#include "kernels/math.h"
#include "kernels/panels.h"
#include "kernels/small_batch.h"

namespace fastfa {
namespace {

template <class T>
Grid forward_grid(const DenseForward<T>& f) {
  return grid<T>(f.n, f.n_out, f.n_in);
}
template <class T>
int dense_forward_tiles(const DenseForward<T>& f) {
  return f.n <= small_batch ? static_cast<int>(row_chunks(f.n, f.n_in, f.n_out))
                            : forward_grid(f).tiles();
}

// Bias and activation of rows r0 … r1, columns c … c + cols (padded to whole vectors).
template <class T>
inline void finish_forward(const DenseForward<T>& f, Index r0, Index r1, Index c, Index cols) {
  const Index width = round_up(cols, lanes<T>);
  bool ok = true;
  for (Index r = r0; r < r1; ++r) {
    T* a = f.a[r] + c;
    if (f.bias) {
      for (Index i = 0; i < width; i += lanes<T>) store(a + i, load(a + i) + load(f.bias + c + i));
    }
    ok &= row_within_limit(a, width);
    activate(a, width, f.activation);
    for (Index i = cols; i < width; ++i) a[i] = 0;  // σ(0) may be anything; padding is zero
  }
  if (!ok) report(f.bad);
}

template <class T>
void dense_forward_run(const DenseForward<T>& f, int tile, int tile_end) {
  const Grid g = forward_grid(f);
  for (; tile < tile_end; ++tile) {
    if (f.n <= small_batch) {
      row_product({f.h, f.n, f.ranges}, f.n_in, f.w, f.n_out, tile, f.partial);
      continue;
    }
    const Block t = block_of(g, tile, f.n, f.n_out);
    for_panels<T>(t.c0, t.c1, [&](Index c, Index cols, auto vecs) {
      constexpr int V = decltype(vecs)::value;
      panel_product<T, V>(f.h.from(t.r0), t.r1 - t.r0, f.ranges, f.w.from(0, c), InPlace{},
                          f.a.from(t.r0, c));
      finish_forward(f, t.r0, t.r1, c, cols);
    });
  }
}

template <class T>
void dense_forward_finish(const DenseForward<T>& f) {
  if (f.n > small_batch) return;
  add_chunks(f.partial, f.n, f.n_in, f.n_out, f.a);
  finish_forward(f, 0, f.n, 0, f.n_out);
}

}  // namespace
}  // namespace fastfa

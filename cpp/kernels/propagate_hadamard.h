// Feedback through a fast Walsh–Hadamard transform: source units are spread over `order` places with a
// sign each, transformed in order · log₂(order) additions, and each unit reads one place.
#pragma once

#include "kernels/feedback_product.h"

namespace fastfa {
namespace {

template <class T>
int propagate_hadamard_tiles(const PropagateHadamard<T>& p) {
  return tiny(p.n, p.order, 8) ? 1 : static_cast<int>(min(p.n, max_row_chunks));
}

// Butterflies within a vector: lane i meets lane i ^ h.
template <class T, int h>
inline Vec<T> butterfly(Vec<T> x) {
  const auto partner = lanes_from<T>([](int i) { return i ^ h; });
  Vec<T> sign;
  for (int i = 0; i < lanes<T>; ++i) sign[i] = i & h ? T(-1) : T(1);
  return shuffle<T>(x, partner) + sign * x;
}

template <class T>
inline void transform(T* x, Index order) {
  for (Index i = 0; i < order; i += lanes<T>) {
    Vec<T> v = load(x + i);
    v = butterfly<T, 1>(v);
    if constexpr (lanes<T> > 2) v = butterfly<T, 2>(v);
    if constexpr (lanes<T> > 4) v = butterfly<T, 4>(v);
    if constexpr (lanes<T> > 8) v = butterfly<T, 8>(v);
    store(x + i, v);
  }
  Index h = lanes<T>;
  for (; h * 4 <= order; h *= 4) {  // two rounds in one pass
    for (Index block = 0; block < order; block += 4 * h) {
      for (Index i = block; i < block + h; i += lanes<T>) {
        const Vec<T> a = load(x + i), b = load(x + i + h);
        const Vec<T> c = load(x + i + 2 * h), d = load(x + i + 3 * h);
        const Vec<T> sum = a + b, difference = a - b, sum2 = c + d, difference2 = c - d;
        store(x + i, sum + sum2);
        store(x + i + h, difference + difference2);
        store(x + i + 2 * h, sum - sum2);
        store(x + i + 3 * h, difference - difference2);
      }
    }
  }
  if (h < order) {
    for (Index i = 0; i < h; i += lanes<T>) {
      const Vec<T> a = load(x + i), b = load(x + i + h);
      store(x + i, a + b);
      store(x + i + h, a - b);
    }
  }
}

template <class T>
void propagate_hadamard_run(const PropagateHadamard<T>& p, int tile, int tile_end) {
  const int tiles = propagate_hadamard_tiles(p);
  for (; tile < tile_end; ++tile) {
    T* x = p.work + tile * padded_cols(p.order);
    for (Index n = tile * p.n / tiles; n < (tile + 1) * p.n / tiles; ++n) {
      std::memset(x, 0, static_cast<std::size_t>(p.order) * sizeof(T));
      const T* source = p.source[n];
      for (Index k = 0; k < p.n_src; ++k) x[p.column[k]] = p.sign[k] * source[k];
      transform(x, p.order);
      T* delta = p.delta[n];
      for (Index j = 0; j < p.n_l; ++j) delta[j] = x[p.row[j]];
      finish_product(p, n, n + 1, 0, p.n_l);
    }
  }
}

}  // namespace
}  // namespace fastfa

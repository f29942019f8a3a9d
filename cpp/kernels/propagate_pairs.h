// Feedback by a B in bf16: half as many bytes as float32 come from memory. It is spread out to whole
// numbers where it is used, and products are those of any B.
#pragma once

#include "kernels/feedback_product.h"
#include "kernels/small_batch.h"

namespace fastfa {
namespace {

// The elements in a vector of words: of rows 2r and 2r + 1 of Bᵀ.
template <class T>
struct PairOfRows {
  Vec<T> low, high;
};
template <class T>
inline PairOfRows<T> load_pair(const std::uint32_t* words) {
  typedef std::uint32_t Words __attribute__((vector_size(lanes<T> * sizeof(std::uint32_t))));
  typedef float Floats __attribute__((vector_size(lanes<T> * sizeof(float))));
  const Words w = *reinterpret_cast<const Words*>(words);
  return {__builtin_convertvector((Floats)(w << 16), Vec<T>),
          __builtin_convertvector((Floats)(w & 0xffff0000u), Vec<T>)};
}

// One example: words are read along, a chunk of rows after the other, as small_batch.h does.
template <class T>
inline Index pair_rows_of(const PropagatePairs<T>& p) {
  return (p.n_src + 1) / 2;
}
template <class T>
inline void pairs_chunk(const PropagatePairs<T>& p, Index chunk) {
  const Index depth = pair_rows_of(p), chunks = row_chunks(1, depth, p.n_l);
  const Index r0 = chunk_begin(chunk, chunks, depth), r1 = chunk_begin(chunk + 1, chunks, depth);
  T* const sums = p.partial + chunk * padded_cols(p.n_l);
  const T* const source = p.source.data;
  for_column_blocks<T>(1, p.n_l, [&](Index c0, Index width) {
    T* const c = sums + c0;
    for (Index i = 0; i < width; i += lanes<T>) store(c + i, Vec<T>{});
    for (Index r = r0; r < r1; r += 2) {
      T h[4] = {};
      for (Index k = 2 * r; k < min(2 * min(r + 2, r1), p.n_src); ++k) h[k - 2 * r] = source[k];
      const std::uint32_t *const first = p.b[r] + c0, *const second = p.b[min(r + 1, r1 - 1)] + c0;
      for (Index i = 0; i < width; i += lanes<T>) {
        const PairOfRows<T> x = load_pair<T>(first + i), y = load_pair<T>(second + i);
        store(c + i, load(c + i) + (h[0] * x.low + h[1] * x.high) + (h[2] * y.low + h[3] * y.high));
      }
    }
  });
}

// A batch: rows k0 … k1 of Bᵀ, V vectors of columns from c on. k0 is even.
template <class T, int V>
inline void spread_pairs(const PropagatePairs<T>& p, Index c, Index k0, Index k1, T* to) {
  constexpr Index rows_ahead = 16, line = 64 / Index{sizeof(std::uint32_t)};
  for (Index k = k0; k < k1; k += 2, to += 2 * panel<T>) {
    const std::uint32_t* const words = p.b[k / 2] + c;
    for (Index i = 0; i < panel<T>; i += line) {
      __builtin_prefetch(words + rows_ahead * p.b.ld + i, 0, 2);
    }
    for (int v = 0; v < V; ++v) {
      const PairOfRows<T> pair = load_pair<T>(words + v * lanes<T>);
      store(to + v * lanes<T>, pair.low);
      if (k + 1 < k1) store(to + panel<T> + v * lanes<T>, pair.high);
    }
  }
}

template <class T>
int propagate_pairs_tiles(const PropagatePairs<T>& p) {
  return p.n == 1 ? static_cast<int>(row_chunks(1, pair_rows_of(p), p.n_l)) : product_tiles(p);
}
template <class T>
void propagate_pairs_run(const PropagatePairs<T>& p, int tile, int tile_end) {
  for (; tile < tile_end; ++tile) {
    if (p.n == 1) {
      pairs_chunk(p, tile);
      continue;
    }
    product_tile(p, tile, View<const T>{}, [&](Index c, Index, Index k0, Index k1, T* to, auto vecs) {
      spread_pairs<T, decltype(vecs)::value>(p, c, k0, k1, to);
    });
  }
}
template <class T>
void propagate_pairs_done(const PropagatePairs<T>& p) {
  if (p.n != 1) return;
  add_chunks(p.partial, 1, pair_rows_of(p), p.n_l, p.delta);
  finish_product(p, 0, 1, 0, p.n_l);
}

}  // namespace
}  // namespace fastfa

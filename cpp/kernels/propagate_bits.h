// Binary and ternary feedback from packed bits: all that comes from memory is one bit (ternary: two) for
// each element. One example: δ is added where a bit is set. A batch: panels of ±scale are spread out and
// multiplied.
#pragma once

#include "kernels/feedback_product.h"

namespace fastfa {
namespace {

// x + d in the lanes whose bit is set.
template <class T>
inline Vec<T> add_where(Vec<T> x, std::uint32_t bits, Vec<T> d) {
#if defined(__AVX512F__) && FASTFA_VECTOR_BYTES == 64
  if constexpr (sizeof(T) == 4) {
    return (Vec<T>)_mm512_mask_add_ps((__m512)x, static_cast<__mmask16>(bits), (__m512)x, (__m512)d);
  } else {
    return (Vec<T>)_mm512_mask_add_pd((__m512d)x, static_cast<__mmask8>(bits), (__m512d)x, (__m512d)d);
  }
#else
  return x + (bits_of<T>(bits) ? d : Vec<T>{});
#endif
}

// V vectors of columns from c on: with s± the sums of δ over the set and the unset bits, (s₊ − s₋) ·
// scale.
template <class T, int V>
inline void bits_row(const PropagateBits<T>& p, Index c, Index cols) {
  const Index word = c / 32 * p.n_src, shift = c % 32;
  Vec<T> plus[V] = {}, minus[V] = {};
  for (Index k = 0; k < p.n_src; ++k) {
    const Vec<T> d = Vec<T>{} + p.source.data[k];
    const std::uint32_t positive = p.positive[word + k] >> shift;
    const std::uint32_t kept = p.kept ? p.kept[word + k] >> shift : ~0u;
    for (int v = 0; v < V; ++v) {
      plus[v] = add_where<T>(plus[v], (positive & kept) >> v * lanes<T>, d);
      minus[v] = add_where<T>(minus[v], (~positive & kept) >> v * lanes<T>, d);
    }
  }
  for (int v = 0; v < V; ++v) store(p.delta.data + c + v * lanes<T>, p.scale * (plus[v] - minus[v]));
  finish_product(p, 0, 1, c, cols);
}

template <class T, int V>
inline void spread_bits(const PropagateBits<T>& p, Index c, Index k0, Index k1, T* to) {
  const Index word = c / 32 * p.n_src, shift = c % 32;
  for (Index k = k0; k < k1; ++k, to += panel<T>) {
    const std::uint32_t positive = p.positive[word + k] >> shift;
    const std::uint32_t kept = p.kept ? p.kept[word + k] >> shift : ~0u;
    for (int v = 0; v < V; ++v) {
      const Vec<T> sign = bits_of<T>(positive >> v * lanes<T>) ? Vec<T>{} + p.scale : Vec<T>{} - p.scale;
      store(to + v * lanes<T>, bits_of<T>(kept >> v * lanes<T>) ? sign : Vec<T>{});
    }
  }
}

template <class T>
void propagate_bits_run(const PropagateBits<T>& p, int tile, int tile_end) {
  for (; tile < tile_end; ++tile) {
    product_tile_made(
        p, tile, [&](Index c, Index cols, auto vecs) { bits_row<T, decltype(vecs)::value>(p, c, cols); },
        [&](Index c, Index, Index k0, Index k1, T* to, auto vecs) {
          spread_bits<T, decltype(vecs)::value>(p, c, k0, k1, to);
        });
  }
}

}  // namespace
}  // namespace fastfa

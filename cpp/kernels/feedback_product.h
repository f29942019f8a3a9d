// The frame of every feedback product δ_l = (B δ_source) ∘ σ′(h_l) that forms B a panel at a time:
// pack() lays down rows k0 … k1 of Bᵀ, one panel wide, from however B is held; the product and its end
// are shared.
#pragma once

#include "kernels/math.h"
#include "kernels/panels.h"

namespace fastfa {
namespace {

template <class T>
Grid product_grid(const FeedbackProduct<T>& p) {
  return grid<T>(p.n, p.n_l, p.n_src);
}
template <class Args>
int product_tiles(const Args& p) {
  return product_grid(p).tiles();
}

// ∘ σ′ on rows r0 … r1, columns c … c + cols. B may have anything in its padding: δ has zeros there.
template <class T>
inline void finish_product(const FeedbackProduct<T>& p, Index r0, Index r1, Index c, Index cols) {
  const Index width = round_up(cols, lanes<T>);
  bool ok = true;
  for (Index r = r0; r < r1; ++r) {
    T* delta = p.delta[r] + c;
    for (Index i = cols; i < width; ++i) delta[i] = 0;
    times_derivative(delta, p.h[r] + c, width, p.activation);
    ok &= row_within_limit(delta, width);
  }
  if (!ok) report(p.bad);
}

// One tile. b is Bᵀ (n_src, n_l); if it is null, pack(c, cols, k0, k1, to, Rows<V>) packs V vectors of
// columns from c on.
template <class T, class Pack>
inline void product_tile(const FeedbackProduct<T>& p, int tile, View<const T> b, Pack&& pack) {
  const Block t = block_of(product_grid(p), tile, p.n, p.n_l);
  for_panels<T>(t.c0, t.c1, [&](Index c, Index cols, auto vecs) {
    constexpr int V = decltype(vecs)::value;
    const auto pack_panel = [&](Index k0, Index k1, T* to) { pack(c, cols, k0, k1, to, vecs); };
    panel_product<T, V>(p.source.from(t.r0), t.r1 - t.r0, p.ranges, b ? b.from(0, c) : View<const T>{},
                        pack_panel, p.delta.from(t.r0, c));
    finish_product(p, t.r0, t.r1, c, cols);
  });
}

// One example through a B whose rows are read along: dot products of B's rows c0 … c1 with δ, a vector
// of rows at a time. read(j, k) gives the vector at column k of row j.
template <class T, class Read>
inline void product_dots(const FeedbackProduct<T>& p, Index c0, Index c1, Read&& read) {
  constexpr int n = lanes<T>;
  for (Index c = c0; c < c1; c += n) {
    Vec<T> sums[n] = {};
    const Index rows = min(n, p.n_l - c);
    for (Index j = 0; j < rows; ++j) {
      for (Index k = 0; k < p.n_src; k += n) sums[j] += read(c + j, k) * load(p.source.data + k);
    }
    transpose_block<T>(sums);
    for (int i = 1; i < n; ++i) sums[0] += sums[i];
    store(p.delta.data + c, sums[0]);
  }
  finish_product(p, 0, 1, c0, c1 - c0);
}

// One tile of a product with such a B.
template <class T, class Read>
inline void product_tile_by_rows(const FeedbackProduct<T>& p, int tile, Read&& read) {
  if (p.n == 1) {
    const Block t = block_of(product_grid(p), tile, p.n, p.n_l);
    return product_dots(p, t.c0, t.c1, read);
  }
  product_tile(p, tile, View<const T>{}, [&](Index c, Index cols, Index k0, Index k1, T* to, auto vecs) {
    pack_transposed<T, decltype(vecs)::value>(cols, k0, k1, to,
                                              [&](Index j, Index k) { return read(c + j, k); });
  });
}

// One tile of a product whose B is made where it is used: row(c, cols, Rows<V>) does one example, pack()
// as for product_tile a batch.
template <class T, class Row, class Pack>
inline void product_tile_made(const FeedbackProduct<T>& p, int tile, Row&& row, Pack&& pack) {
  if (p.n > 1) return product_tile(p, tile, View<const T>{}, pack);
  const Block t = block_of(product_grid(p), tile, p.n, p.n_l);
  for_panels<T>(t.c0, t.c1, row);
}

}  // namespace
}  // namespace fastfa

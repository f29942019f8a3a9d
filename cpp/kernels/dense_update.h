// The optimizer's step in one pass over W: hᵀ (n_in, n) · δ (n, n_out) is formed a tile at a time in
// registers and applied at once. Accumulates into w, bias and the optimizer's memory of them.
#pragma once

#include "kernels/learn.h"
#include "kernels/panels.h"
#include "kernels/small_batch.h"
#include "kernels/sums.h"

namespace fastfa {
namespace {

// Cut along column panels, as the forward product of W is, so that a thread finds its part of W where it
// left it. A narrow W is cut along rows too.
template <class T>
Grid update_grid(const DenseUpdate<T>& u) {
  const Index panels = (u.n_out + panel<T> - 1) / panel<T>;
  if (brief(u.n, u.n_in, u.n_out)) return {1, 1, panels * panel<T>};
  if (panels >= 8) return {1, panels, panel<T>};
  const Index row_chunks = max(1, min(8, u.n_in / (4 * tile_rows)));
  const Index col_chunks = min(panels, 8 / row_chunks);
  return {row_chunks, col_chunks, (panels + col_chunks - 1) / col_chunks * panel<T>};
}
template <class T>
int dense_update_tiles(const DenseUpdate<T>& u) {
  return u.n <= small_batch ? static_cast<int>(row_chunks(u.n, u.n_in, u.n_out))
                            : update_grid(u).tiles();
}

template <class T>
inline Slot<T> slot_at(const DenseUpdate<T>& u, Index i, Index c) {
  const Index at = i * u.w.ld + c;
  return {u.w.data + at, u.v ? u.v + at : nullptr, u.s ? u.s + at : nullptr};
}

// Does W take a plain step, W + rate · gradient − decay · W, wherever it is?
template <class T>
inline bool is_plain(const DenseUpdate<T>& u) {
  return !u.v && !u.s && !u.mask;
}

// The gradient of row i at column c, zero where there is no weight.
template <class T>
__attribute__((always_inline)) inline Vec<T> where_kept(const DenseUpdate<T>& u, Index i, Index c,
                                                        Vec<T> gradient) {
  return bits_of<T>(u.mask[i][c / 32] >> c % 32) ? gradient : Vec<T>{};
}

template <class T>
inline void update_bias(const DenseUpdate<T>& u, Index c0, Index c1) {
  if (!u.bias) return;
  const Learning<T> own = u.of_bias();
  for (Index c = c0; c < c1; c += lanes<T>) {
    const Vec<T> sum = sum_of<T>(u.n, [&](Index n) { return load(u.delta[n] + c); });
    const Slot<T> p{u.bias + c, u.v ? u.v_bias + c : nullptr, u.s ? u.s_bias + c : nullptr};
    apply(own, p, sum, own.decay);
  }
}

// A row of W and the inputs of N examples that it is learned from.
template <class T, int N>
struct RowStep {
  T* w;
  T h[N];
  T rate;  // η h of a single example
  bool any;

  RowStep() = default;
  RowStep(const DenseUpdate<T>& u, Index i) : w(u.w[i]), any(false) {
    for (int e = 0; e < N; ++e) {
      h[e] = u.h[e][i];
      any |= h[e] != 0;
    }
    rate = u.rate * h[0];
  }

  // s hᵀδ where δ[e] is a vector of example e's.
  Vec<T> gradient(const Vec<T> (&delta)[N]) const {
    Vec<T> sum = h[0] * delta[0];
    for (int e = 1; e < N; ++e) sum += h[e] * delta[e];
    return sum;
  }

  // A vector of W after a plain step.
  template <bool Decay>
  Vec<T> plain(T eta, T decay, Vec<T> old, const Vec<T> (&delta)[N]) const {
    if constexpr (N == 1 && !Decay) return old + rate * delta[0];
    Vec<T> step = eta * gradient(delta);
    if constexpr (Decay) step -= decay * old;
    return old + step;
  }
};

// V vectors of W take `count` steps in which they only decay: plain<true> without a gradient, in
// registers, until nothing changes any more.
template <class T, int V>
inline void only_decay(T decay, std::int32_t count, T* w) {
  constexpr std::int32_t until_asked = 16;
  Vec<T> row[V];
  for (int v = 0; v < V; ++v) row[v] = load(w + v * lanes<T>);
  const auto after = [&](Vec<T> old) {
    Vec<T> step{};
    step -= decay * old;
    return old + step;
  };
  for (std::int32_t k = 0; k < count; k += until_asked) {
    Mask<T> same = Mask<T>{} == 0;
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) {
      const Vec<T> next = after(row[v]);
      same &= next == row[v];
      row[v] = next;
    }
    if (all<T>(same)) break;
    for (auto more = min(count - k, until_asked) - 1; more > 0; --more) {
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) row[v] = after(row[v]);
    }
  }
  for (int v = 0; v < V; ++v) store(w + v * lanes<T>, row[v]);
}

// Applies the pending decays of row i to columns c0 … c1; the last columns set their count to 0. Not
// inline, or loops in which there are none would be slower.
template <class T>
__attribute__((noinline)) void apply_pending_decays(const DenseUpdate<T>& u, Index i, Index c0,
                                                    Index c1) {
  const std::int32_t count = u.pending_decays[i];
  T* const w = u.w[i];
  Index c = c0;
  for (; c + 8 * lanes<T> <= c1; c += 8 * lanes<T>) only_decay<T, 8>(u.decay, count, w + c);
  for (; c + 4 * lanes<T> <= c1; c += 4 * lanes<T>) only_decay<T, 4>(u.decay, count, w + c);
  for (; c < c1; c += lanes<T>) only_decay<T, 1>(u.decay, count, w + c);
  if (c1 >= u.n_out) u.pending_decays[i] = 0;
}

template <class T, int N>
inline void load_deltas(const DenseUpdate<T>& u, Index c, Vec<T> (&delta)[N]) {
  for (int e = 0; e < N; ++e) delta[e] = load(u.delta[e] + c);
}

// Columns c0 … c1 of row i. Where every input is zero a row is left alone, unless W moves anyway.
template <class T, int N>
inline void update_row(const DenseUpdate<T>& u, Index i, Index c0, Index c1) {
  const RowStep<T, N> row(u, i);
  const bool plain = is_plain(u);
  // Copies, which a store to W can't change: the compiler reads them once.
  const T rate = u.rate, decay = u.decay;
  if (plain && decay == 0 && !row.any) return;
  const auto pass = [&](auto&& each) {
    for (Index c = c0; c < c1; c += lanes<T>) {
      Vec<T> delta[N];
      load_deltas(u, c, delta);
      each(c, delta);
    }
  };
  if (!plain) {
    with_way(u, u.v, u.s, [&](auto way) {
      pass([&](Index c, const Vec<T>(&delta)[N]) {
        Vec<T> gradient = row.gradient(delta);
        if (u.mask) gradient = where_kept(u, i, c, gradient);
        apply<decltype(way)::value>(u, slot_at(u, i, c), gradient, u.decay);
      });
    });
  } else if (decay != 0) {
    pass([&](Index c, const Vec<T>(&delta)[N]) {
      store(row.w + c, row.template plain<true>(rate, decay, load(row.w + c), delta));
    });
  } else {
    pass([&](Index c, const Vec<T>(&delta)[N]) {
      store(row.w + c, row.template plain<false>(rate, decay, load(row.w + c), delta));
    });
  }
}

// A few examples: row by row, in the chunks of the forward product.
template <class T>
inline void update_few(const DenseUpdate<T>& u, Index chunk) {
  const Index chunks = row_chunks(u.n, u.n_in, u.n_out);
  const Index i0 = chunk_begin(chunk, chunks, u.n_in), i1 = chunk_begin(chunk + 1, chunks, u.n_in);
  const auto catch_up = [&](Index i, Index c0, Index c1) {
    if (u.pending_decays && u.pending_decays[i] != 0) apply_pending_decays(u, i, c0, c1);
  };
  if (u.n == 0) {
    for (Index i = i0; i < i1; ++i) catch_up(i, 0, u.n_out);
    return;
  }
  with_few(u.n, [&](auto n) {
    for_column_blocks<T>(u.n, u.n_out, [&](Index c, Index width) {
      for_columns(SmallBatch<T>{u.h, u.n, u.ranges}, i0, i1, [&](Index i) {
        catch_up(i, c, c + width);
        update_row<T, decltype(n)::value>(u, i, c, c + width);
      });
    });
  });
}

// M × V vectors of W take a plain step.
template <class T, int M, int V>
__attribute__((always_inline)) inline void step_tile(const Learning<T>& u, View<T> w,
                                                     const Vec<T> (&gradient)[M][V], T decay) {
#pragma GCC unroll 16
  for (int m = 0; m < M; ++m) {
    for (int v = 0; v < V; ++v) {
      T* at = w[m] + v * lanes<T>;
      const Vec<T> old = load(at);
      Vec<T> step = u.rate * gradient[m][v];
      if (decay != 0) step -= decay * old;
      store(at, old + step);
    }
  }
}

// Rows i … i + M of W take any step. All inline, or the gradient would leave the registers.
template <class T, int M, int V>
__attribute__((always_inline)) inline void learn_tile(const DenseUpdate<T>& u, Index i, Index c,
                                                      Vec<T> (&gradient)[M][V]) {
  if (is_plain(u)) return step_tile(u, u.w.from(i, c), gradient, u.decay);
  with_way(u, u.v, u.s, [&](auto way) __attribute__((always_inline)) {
    for (int m = 0; m < M; ++m) {
      for (int v = 0; v < V; ++v) {
        const Index at = c + v * lanes<T>;
        if (u.mask) gradient[m][v] = where_kept(u, i + m, at, gradient[m][v]);
        apply<decltype(way)::value>(u, slot_at(u, i + m, at), gradient[m][v], u.decay);
      }
    }
  });
}

// Updates a tile of W: rows i … i + M, V vectors wide from column c on, with all examples. `packed` has
// a copy of their δ for these columns, without gaps.
template <class T, int M, int V>
inline void update_tile(const DenseUpdate<T>& u, Index i, Index c, const T* packed) {
  T* w = u.w[i] + c;
  // Asked for early enough: with few examples, those of the tile after this one.
  const T* soon = w + (u.n <= 32 ? M : 0) * u.w.ld;
  for (int m = 0; m < M; ++m) {
    for (int v = 0; v < V; ++v) __builtin_prefetch(soon + m * u.w.ld + v * lanes<T>, 1);
  }
  Vec<T> acc[M][V] = {};
  const Operand<T> x{u.h.data + i, 1, u.h.ld, {packed, panel<T>}};
  accumulate<T, M, V>(acc, x, 0, u.n);
  learn_tile(u, i, c, acc);
}

// All rows r0 … r1 of a panel, with all examples.
template <class T, int V>
inline void update_panel(const DenseUpdate<T>& u, Index r0, Index r1, Index c, const T* packed) {
  for (Index r = 0; r < u.ranges.count; ++r) {
    const Index begin = max(u.ranges[r].begin, r0), end = min(u.ranges[r].end, r1);
    if (begin >= end) continue;
    for_row_tiles(end - begin, [&](Index m, auto height) {
      update_tile<T, decltype(height)::value, V>(u, begin + m, c, packed);
    });
  }
}

// Calls f(first row, Rows<height>) for the tiles of rows r0 … r1 that learn.
template <class T, class F>
inline void for_learning_rows(const DenseUpdate<T>& u, Index r0, Index r1, F&& f) {
  for (Index r = 0; r < u.ranges.count; ++r) {
    const Index begin = max(u.ranges[r].begin, r0), end = min(u.ranges[r].end, r1);
    if (begin >= end) continue;
    for_row_tiles(end - begin, [&](Index m, auto height) { f(begin + m, height); });
  }
}

// The sums of some rows of a panel over a large batch: of the last whole_part examples, and of those
// before them.
constexpr Index sum_rows = 512;
template <class T>
struct LongSums {
  alignas(64) T recent[sum_rows * panel<T>];
  alignas(64) double before[sum_rows * panel<T>];
};
// A thread's own: so much is not for its stack.
template <class T>
inline LongSums<T>& long_sums() {
  static thread_local LongSums<T> sums;
  return sums;
}

// A short chain of examples k0 … k1, put into or added to the sums of M rows. Not inline: beside other
// vectors the chain's own sums would not stay in registers.
template <class T, int M, int V>
__attribute__((noinline)) void add_chain(Vec<T> (&sums)[M][V], const Operand<T>& x, Index k0, Index k1) {
  Vec<T> part[M][V] = {};
  accumulate<T, M, V>(part, x, k0, k1);
  for (int m = 0; m < M; ++m) {
    for (int v = 0; v < V; ++v) sums[m][v] = k0 == 0 ? part[m][v] : sums[m][v] + part[m][v];
  }
}

// What `count` examples add to M rows' sums: short chains, one after the other.
template <class T, int M, int V>
inline void accumulate_long(Vec<T> (&acc)[M][V], const Operand<T>& x, Index count) {
  for (Index k = 0; k < count; k += short_chain) {
    add_chain<T, M, V>(acc, x, k, min(k + short_chain, count));
  }
}

// Rows r0 … r1 of a panel, no more than sum_rows, with all examples of a large batch: their gradient is
// summed, and W takes one step. (A step for each part would be lost where it is small beside W.)
template <class T, int V>
inline void update_long(const DenseUpdate<T>& u, Index r0, Index r1, Index c, T* packed) {
  LongSums<T>& sums = long_sums<T>();
  for (Index n0 = 0; n0 < u.n; n0 += k_block) {
    const Index n1 = min(n0 + k_block, u.n);
    const bool first = n0 % whole_part == 0, last = n1 == u.n, full = n1 % whole_part == 0;
    pack_rows<T, V>(u.delta.from(0, c), n0, n1, packed);
    for_learning_rows(u, r0, r1, [&](Index i, auto height) {
      constexpr int M = decltype(height)::value;
      Vec<T> acc[M][V];
      accumulate_long<T, M, V>(acc, {u.h[n0] + i, 1, u.h.ld, {packed, panel<T>}}, n1 - n0);
      for (int m = 0; m < M; ++m) {
        for (int v = 0; v < V; ++v) {
          const Index at = (i + m - r0) * panel<T> + v * lanes<T>;
          if (!first) acc[m][v] += load(sums.recent + at);
          if (!last && !full) store(sums.recent + at, acc[m][v]);
          if (!full && !(last && n0 >= whole_part)) continue;
          add_to<T>(sums.before + at, acc[m][v], n0 < whole_part);
          if (last) acc[m][v] = rounded_at<T>(sums.before + at);
        }
      }
      if (last) learn_tile(u, i, c, acc);
    });
  }
}

template <class T>
void dense_update_run(const DenseUpdate<T>& u, int tile, int tile_end) {
  const Grid g = update_grid(u);
  for (; tile < tile_end; ++tile) {
    if (u.n <= small_batch) {
      if (tile == 0) update_bias(u, 0, u.n_out);
      update_few(u, tile);
      continue;
    }
    const Block t = block_of(g, tile, u.n_in, u.n_out);
    if (t.r0 == 0) update_bias(u, t.c0, t.c1);
    for_panels<T>(t.c0, t.c1, [&](Index c, Index, auto vecs) {
      constexpr int V = decltype(vecs)::value;
      alignas(64) T packed[k_block * panel<T>];
      if (u.n > k_block) {
        const Index slabs = (t.r1 - t.r0 + sum_rows - 1) / sum_rows, rows = t.r1 - t.r0;
        for (Index s = 0; s < slabs; ++s) {
          update_long<T, V>(u, t.r0 + s * rows / slabs, t.r0 + (s + 1) * rows / slabs, c, packed);
        }
        return;
      }
      pack_rows<T, V>(u.delta.from(0, c), 0, u.n, packed);
      update_panel<T, V>(u, t.r0, t.r1, c, packed);
    });
  }
}

}  // namespace
}  // namespace fastfa

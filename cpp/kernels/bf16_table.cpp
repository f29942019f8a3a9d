// Dense products with factors rounded to bf16: a file of its own, which is compiled with other flags
// than the rest of its level for each FASTFA_BF16_WAY.
#include "kernels/bf16_table.h"

#include "kernels/bf16_factors.h"
#include "kernels/dense_forward.h"
#include "kernels/dense_update.h"
#include "kernels/propagate.h"
#include "kernels/propagate_bits.h"
#include "kernels/propagate_procedural.h"
#include "kernels/propagate_sign.h"

namespace fastfa {
namespace {

// Rows of W or B lie too far apart for the processor to expect them: they are asked for so early.
constexpr Index rows_ahead = 16;

// Rows r0 … r1 of a product with a panel of the right factor, over k: pack(k0, k1, padded, to) lays
// words down, finish(r, rows, c) takes the sums of some rows. next(r, k0) gives what asks for a little
// of what comes after rows from r on are multiplied, whenever it is called: of the chunk at k0, which is
// packed then, or of what finish() reads.
template <class Pack, class Finish, class Next>
inline void bf16_product(View<const Bf16> a, Index r0, Index r1, Index k, Pack&& pack, Finish&& finish,
                         Next&& next) {
  Bf16Scratch s;
  const auto lay = [&](Index k0) {
    const Index k1 = min(k0 + chunk_k, k);
    const Index words = round_up(k1 - k0, depth_unit) / 2;
    pack(k0, k1, words, s.b);
    return words;
  };
  const bool once = k <= chunk_k;
  Index words = once ? lay(0) : 0;
  const Index chunks = (r1 - r0 + chunk_rows - 1) / chunk_rows;
  for (Index i = 0; i < chunks; ++i) {
    const Index row = r0 + i * (r1 - r0) / chunks, rows = r0 + (i + 1) * (r1 - r0) / chunks - row;
    const Unit unit(rows);
    for (Index k0 = 0; k0 < k; k0 += chunk_k) {
      if (!once) words = lay(k0);
      unit.multiply(a.from(row, k0), rows, s.b, words, s.c, k0 > 0, next(row, k0 + chunk_k));
    }
    if (k == 0) std::memset(s.c, 0, sizeof s.c);
    finish(row, rows, s.c);
  }
}

// Copies sums to columns c … c + cols of a matrix, whole vectors.
inline void put_sums(const float* sums, Index rows, Index cols, View<float> to) {
  for (Index r = 0; r < rows; ++r) {
    for (Index i = 0; i < cols; i += n_lanes) store(to[r] + i, load(sums + r * panel_words + i));
  }
}

// A right factor that is made where it is used isn't asked for.
struct NotAhead {
  Nothing operator()(Index, Index) const { return {}; }
};
// Asks for the rows in `ranges` of a matrix, at column c; after its last row at the next panel's first.
inline auto active_ahead(View<const float> w, Ranges ranges, Index c, Index k) {
  return [=](Index, Index k0) {
    const bool over = k0 >= k;
    const float* const panel = w.data + c + (over ? panel_words : 0);
    return [panel, ld = w.ld, active = ActiveColumns(ranges, over ? 0 : k0)]() mutable {
      for (int i = 0; i < 2 && active.range != active.end; ++i) fetch(panel + active.next() * ld);
    };
  };
}

// Packs the rows in `ranges` of a matrix, at column c.
inline auto pack_active(View<const float> w, Ranges ranges, Index c, Index cols) {
  return [=](Index k0, Index k1, Index padded, Word* to) {
    ActiveColumns active(ranges, k0);
    pack_pairs(k0, k1, padded, cols > n_lanes, to, [&](Index) {
      const float* const row = w[active.next()] + c;
      fetch(row + rows_ahead * w.ld);
      return row;
    });
  };
}

int forward_tiles(const WithBf16<DenseForward<float>>& f) { return forward_grid(f.of).tiles(); }
void forward_run(const WithBf16<DenseForward<float>>& with, int tile, int tile_end) {
  const DenseForward<float>& f = with.of;
  const Grid g = forward_grid(f);
  const Index k = columns_in(f.ranges);
  for (; tile < tile_end; ++tile) {
    const Block t = block_of(g, tile, f.n, f.n_out);
    for_panels<float>(t.c0, t.c1, [&](Index c, Index cols, auto) {
      bf16_product(
          with.a, t.r0, t.r1, k, pack_active(f.w, f.ranges, c, cols),
          [&](Index r, Index rows, const float* sums) {
            put_sums(sums, rows, cols, f.a.from(r, c));
            finish_forward(f, r, r + rows, c, cols);
          },
          active_ahead(f.w, f.ranges, c, k));
    });
  }
}

template <class Args>
int back_tiles(const WithBf16<Args>& p) {
  return product_grid(p.of).tiles();
}
// pack_of(c, cols, Rows<V>) gives what packs the panel at column c, next_of(c, k) what asks for its
// rows.
template <class Args, class PackOf, class NextOf>
inline void back(const WithBf16<Args>& with, int tile, int tile_end, PackOf&& pack_of,
                 NextOf&& next_of) {
  const Args& p = with.of;
  const Grid g = product_grid(p);
  const Index k = columns_in(p.ranges);
  for (; tile < tile_end; ++tile) {
    const Block t = block_of(g, tile, p.n, p.n_l);
    for_panels<float>(t.c0, t.c1, [&](Index c, Index cols, auto vecs) {
      bf16_product(
          with.a, t.r0, t.r1, k, pack_of(c, cols, vecs),
          [&](Index r, Index rows, const float* sums) {
            put_sums(sums, rows, cols, p.delta.from(r, c));
            finish_product(p, r, r + rows, c, cols);
          },
          next_of(c, k));
    });
  }
}
template <class Args, class PackOf>
inline void back(const WithBf16<Args>& with, int tile, int tile_end, PackOf&& pack_of) {
  back(with, tile, tile_end, pack_of, [](Index, Index) { return NotAhead{}; });
}

void back_run(const WithBf16<Propagate<float>>& with, int tile, int tile_end) {
  const Propagate<float>& p = with.of;
  if (!p.transposed) {
    return back(
        with, tile, tile_end,
        [&](Index c, Index cols, auto) { return pack_active(p.b, p.ranges, c, cols); },
        [&](Index c, Index k) { return active_ahead(p.b, p.ranges, c, k); });
  }
  back(with, tile, tile_end, [&](Index c, Index cols, auto) {
    return [&p, c, cols](Index k0, Index k1, Index padded, Word* to) {
      pack_pairs_across(p.b.from(c), cols, k0, k1, padded, to);
    };
  });
}

// A B that is made where it is used: make(k0, k1, to) lays rows of Bᵀ down as floats.
template <class Make>
inline auto pack_made(bool wide, Make make) {
  return [=](Index k0, Index k1, Index padded, Word* to) {
    constexpr Index most = 32;
    alignas(64) float rows[most * panel_words];
    for (Index k = k0; k < k1; k += most) {
      const Index end = min(k + most, k1), words = min(most / 2, padded - (k - k0) / 2);
      make(k, end, rows);
      pack_pairs(0, end - k, words, wide, to + (k - k0) / 2 * panel_words,
                 [&](Index i) { return rows + i * panel_words; });
    }
  };
}
inline Floats signed_size(const PropagateSign<float>& p, Index j, Index k) {
  const Floats w = load(p.w[j] + k), size = p.magnitude ? load(p.magnitude[j] + k) : Floats{} + p.scale;
  return w > 0 ? size : w < 0 ? -size : Floats{};
}
void back_sign_run(const WithBf16<PropagateSign<float>>& with, int tile, int tile_end) {
  const PropagateSign<float>& p = with.of;
  back(with, tile, tile_end, [&](Index c, Index cols, auto vecs) {
    constexpr int V = decltype(vecs)::value;
    return pack_made(V > 1, [&p, c, cols](Index k0, Index k1, float* to) {
      pack_transposed<float, V>(cols, k0, k1, to,
                                [&](Index j, Index k) { return signed_size(p, c + j, k); });
    });
  });
}
void back_bits_run(const WithBf16<PropagateBits<float>>& with, int tile, int tile_end) {
  const PropagateBits<float>& p = with.of;
  back(with, tile, tile_end, [&](Index c, Index, auto vecs) {
    constexpr int V = decltype(vecs)::value;
    return pack_made(
        V > 1, [&p, c](Index k0, Index k1, float* to) { spread_bits<float, V>(p, c, k0, k1, to); });
  });
}
void back_pairs_run(const WithBf16<PropagatePairs<float>>& with, int tile, int tile_end) {
  const PropagatePairs<float>& p = with.of;
  const auto words_at = [&p](Index r, Index c) { return reinterpret_cast<const Word*>(p.b[r] + c); };
  const auto pack_of = [&](Index c, Index cols, auto) {
    return [words_at, c, cols](Index k0, Index k1, Index padded, Word* to) {
      Word* const end = to + padded * panel_words;
      for (Index r = k0 / 2; r < (k1 + 1) / 2; ++r, to += panel_words) {
        const Word* const words = words_at(r, c);
        store_words(to, load_words(words));
        store_words(to + n_lanes, cols > n_lanes ? load_words(words + n_lanes) : Words{});
      }
      std::memset(to, 0, static_cast<std::size_t>(end - to) * sizeof(Word));
    };
  };
  back(with, tile, tile_end, pack_of, [&](Index c, Index k) {
    return [words_at, c, k](Index, Index k0) {
      const bool over = k0 >= k;
      return [words_at, r = over ? 0 : k0 / 2, c = over ? c + panel_words : c]() mutable {
        fetch(reinterpret_cast<const float*>(words_at(r++, c)));
      };
    };
  });
}
void back_procedural_run(const WithBf16<PropagateProcedural<float>>& with, int tile, int tile_end) {
  const PropagateProcedural<float>& p = with.of;
  back(with, tile, tile_end, [&](Index c, Index, auto vecs) {
    constexpr int V = decltype(vecs)::value;
    return pack_made(V > 1,
                     [&p, c](Index k0, Index k1, float* to) { draw_panel<float, V>(p, c, k0, k1, to); });
  });
}

int update_tiles(const WithBf16<DenseUpdate<float>>& u) { return update_grid(u.of).tiles(); }
void update_run(const WithBf16<DenseUpdate<float>>& with, int tile, int tile_end) {
  const DenseUpdate<float>& u = with.of;
  const Grid g = update_grid(u);
  for (; tile < tile_end; ++tile) {
    const Block t = block_of(g, tile, columns_in(u.ranges), u.n_out);
    if (t.r0 == 0) update_bias(u, t.c0, t.c1);
    for_panels<float>(t.c0, t.c1, [&](Index c, Index, auto vecs) {
      constexpr int V = decltype(vecs)::value;
      bf16_product(
          with.a, t.r0, t.r1, u.n,
          [&](Index k0, Index k1, Index padded, Word* to) {
            pack_pairs(k0, k1, padded, V > 1, to, [&](Index k) { return u.delta[k] + c; });
          },
          [&](Index r, Index rows, const float* sums) {
            ActiveColumns active(u.ranges, r);
            for (Index i = 0; i < rows; ++i, sums += panel_words) {
              Floats gradient[1][V];
              for (int v = 0; v < V; ++v) gradient[0][v] = load(sums + v * n_lanes);
              const Index row = active.next();
              fetch(u.w[row + rows_ahead] + c);
              learn_tile(u, row, c, gradient);
            }
          },
          [&u, c](Index r, Index) {
            return [&u, c, active = ActiveColumns(u.ranges, r), left = chunk_rows]() mutable {
              for (int i = 0; i < 3 && left > 0 && active.range != active.end; ++i, --left) {
                fetch(u.w[active.next()] + c);
              }
            };
          });
    });
  }
}

}  // namespace

const Bf16Set FASTFA_JOINED(bf16_, FASTFA_BF16_WAY) = {
    FASTFA_TEXT(FASTFA_BF16_WAY),
    {round_factor_tiles, round_factor_run, nullptr},
    {forward_tiles, forward_run, nullptr},
    {back_tiles<Propagate<float>>, back_run, nullptr},
    {back_tiles<PropagateSign<float>>, back_sign_run, nullptr},
    {back_tiles<PropagateBits<float>>, back_bits_run, nullptr},
    {back_tiles<PropagatePairs<float>>, back_pairs_run, nullptr},
    {back_tiles<PropagateProcedural<float>>, back_procedural_run, nullptr},
    {update_tiles, update_run, nullptr},
    &FASTFA_JOINED(bf16_conv_, FASTFA_BF16_WAY)};

}  // namespace fastfa

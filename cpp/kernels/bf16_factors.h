// How the two factors of a product become bf16. The left factor is rounded before the product begins,
// the right factor during the product, one panel of columns at a time.
#pragma once

#include "kernels/bf16.h"
#include "kernels/panels.h"

namespace fastfa {
namespace {

inline Index columns_in(Ranges ranges) {
  Index count = 0;
  for (Index r = 0; r < ranges.count; ++r) count += ranges[r].end - ranges[r].begin;
  return count;
}

// Calls f(first, place, count) for stretches of neighbouring columns, at most 2 · lanes of them, that
// are at `place` when only columns in `ranges` are counted.
template <class F>
inline void for_stretches(Ranges ranges, F&& f) {
  Index place = 0;
  for (Index r = 0; r < ranges.count;) {
    Index end = ranges[r].end;
    const Index begin = ranges[r].begin;
    for (++r; r < ranges.count && ranges[r].begin == end; ++r) end = ranges[r].end;
    for (Index c = begin; c < end; c += 2 * n_lanes) {
      const Index count = min(end - c, 2 * n_lanes);
      f(c, place, count);
      place += count;
    }
  }
}

// A row, or rows as long as a vector, rounded at once.
inline int round_factor_tiles(const RoundFactor<float>& f) {
  const Index rows = f.across ? columns_in(f.ranges) : f.n;
  return static_cast<int>((rows + n_lanes - 1) / n_lanes);
}

inline void round_row(const RoundFactor<float>& f, Index row) {
  const float* const x = f.x[row];
  Bf16* const to = f.to[row];
  Index end = 0;
  for_stretches(f.ranges, [&](Index c, Index place, Index count) {
    const Words words =
        words_of(load_within(x + c, count), load_within(x + c + n_lanes, count - n_lanes));
    std::memcpy(to + place, &words, sizeof words);  // what is too much is written over, or pads
    end = place + count;
  });
  std::memset(to + end, 0, static_cast<std::size_t>(f.to.ld - end) * sizeof(Bf16));
}

// Rows first … first + lanes of the transposed factor.
inline void round_columns(const RoundFactor<float>& f, Index first, const Index* columns, Index count) {
  const bool together = count == n_lanes && columns[count - 1] - columns[0] == count - 1;
  for (Index e = 0; e < bf16_padded(f.n); e += 2 * n_lanes) {
    Floats half[2][n_lanes];
    for (Index h = 0; h < 2; ++h) {
      for (Index i = 0; i < n_lanes; ++i) {
        const Index row = e + h * n_lanes + i;
        half[h][i] = Floats{};
        if (row >= f.n) continue;
        const float* const x = f.x[row];
        if (together) {
          half[h][i] = load_unaligned(x + columns[0]);
        } else {
          for (Index c = 0; c < count; ++c) half[h][i][c] = x[columns[c]];
        }
      }
      transpose_block<float>(half[h]);
    }
    for (Index c = 0; c < count; ++c) {
      const Words words = words_of(half[0][c], half[1][c]);
      std::memcpy(f.to[first + c] + e, &words, sizeof words);
    }
  }
}

// The inputs that rows first … first + count of a product stand for, where only those in `ranges` do.
struct ActiveColumns {
  const ColumnRange* range;
  const ColumnRange* end;
  Index at;
  explicit ActiveColumns(Ranges ranges, Index skip = 0)
      : range(ranges.data), end(range + ranges.count), at(range != end ? range->begin : 0) {
    while (range != end && skip >= range->end - range->begin) {
      skip -= range->end - range->begin;
      next_range();
    }
    at += skip;
  }
  Index next() {
    const Index column = at++;
    if (at == range->end) next_range();
    return column;
  }

 private:
  void next_range() {
    if (++range != end) at = range->begin;
  }
};

inline void round_factor_run(const RoundFactor<float>& f, int tile, int tile_end) {
  const Index rows = f.across ? columns_in(f.ranges) : f.n;
  for (; tile < tile_end; ++tile) {
    const Index first = tile * Index{n_lanes}, count = min(n_lanes, rows - first);
    if (!f.across) {
      for (Index r = first; r < first + count; ++r) round_row(f, r);
      continue;
    }
    Index columns[n_lanes];
    ActiveColumns active(f.ranges, first);
    for (Index c = 0; c < count; ++c) columns[c] = active.next();
    round_columns(f, first, columns, count);
  }
}

// Two rows of a panel become one of words. `wide`: there is a second vector.
inline void pair_rows(const float* low, const float* high, bool wide, Word* to) {
  const auto vector = [](const float* p, Index at) { return p ? load_unaligned(p + at) : Floats{}; };
  store_words(to, word_pairs(vector(low, 0), vector(high, 0)));
  store_words(to + n_lanes, wide ? word_pairs(vector(low, n_lanes), vector(high, n_lanes)) : Words{});
}

// Words of the rows that row(k) gives, k0 ≤ k < k1, one after the other, a panel wide; zeros up to
// `padded` words.
template <class Row>
inline void pack_pairs(Index k0, Index k1, Index padded, bool wide, Word* to, Row&& row) {
  Word* const end = to + padded * panel_words;
  for (Index k = k0; k < k1; k += 2, to += panel_words) {
    const float* const low = row(k);
    pair_rows(low, k + 1 < k1 ? row(k + 1) : nullptr, wide, to);
  }
  std::memset(to, 0, static_cast<std::size_t>(end - to) * sizeof(Word));
}

// The same from a transposed source, row j of which is column j of the panel; k0 is a multiple of 2 ·
// lanes, and rows are padded with zeros to whole vectors.
inline void pack_pairs_across(View<const float> b, Index cols, Index k0, Index k1, Index padded,
                              Word* to) {
  Word* const end = to + padded * panel_words;
  for (Index k = k0; k < k1; k += 2 * n_lanes, to += n_lanes * panel_words) {
    for (int v = 0; v < tile_vecs; ++v) {
      Floats words[n_lanes];
      for (Index j = 0; j < n_lanes; ++j) {
        const Index column = v * n_lanes + j;
        const float* const row = b[column] + k;
        words[j] = Floats{};
        if (column >= cols) continue;
        words[j] =
            (Floats)words_of(load_within(row, k1 - k), load_within(row + n_lanes, k1 - k - n_lanes));
      }
      transpose_block<float>(words);
      for (Index i = 0; i < n_lanes && to + i * panel_words < end; ++i) {
        store_words(to + i * panel_words + v * n_lanes, (Words)words[i]);
      }
    }
  }
  if (to < end) std::memset(to, 0, static_cast<std::size_t>(end - to) * sizeof(Word));
}

}  // namespace
}  // namespace fastfa

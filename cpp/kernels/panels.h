// Products of a few rows with a wide matrix, cut into column panels: the frame that forward and feedback
// share. An epilogue finishes each panel (bias and activation, or ∘σ′) while it is in cache.
#pragma once

#include "kernels/multiply.h"

namespace fastfa {
namespace {

// Tiles of C (rows × cols): column panels, and row chunks where there are few panels.
struct Grid {
  Index row_chunks, col_chunks, cols;  // cols: columns of a panel
  int tiles() const { return static_cast<int>(row_chunks * col_chunks); }
};

// A product of n examples with a rows × cols matrix that is over before another thread would have
// begun; to read the matrix costs as much as eight examples.
inline bool brief(Index n, Index rows, Index cols) { return (n + 8) * rows * cols < 1 << 20; }

// depth: length of the sums.
template <class T>
inline Grid grid(Index rows, Index cols, Index depth) {
  const Index col_chunks = (cols + panel<T> - 1) / panel<T>;
  Index row_chunks = 1;
  if (col_chunks < 8) {
    row_chunks = min((rows + tile_rows - 1) / tile_rows, (8 + col_chunks - 1) / col_chunks);
  }
  if (brief(rows, depth, cols)) return {1, 1, round_up(cols, panel<T>)};
  return {row_chunks, col_chunks, panel<T>};
}

struct Block {
  Index r0, r1, c0, c1;
};
inline Block block_of(const Grid& g, int tile, Index rows, Index cols) {
  const Index r = tile / g.col_chunks, c = tile % g.col_chunks;
  return {r * rows / g.row_chunks, (r + 1) * rows / g.row_chunks, c * g.cols,
          min((c + 1) * g.cols, cols)};
}

// For a B that is read where it lies.
struct InPlace {
  template <class... Any>
  void operator()(Any&&...) const {}
};

// Whether it pays to ask for B's rows early: either there is enough to do meanwhile, or a B of this size
// comes from memory.
template <class T>
inline bool worth_fetching(Index rows, Ranges ranges, Index ldb) {
  constexpr Index large = (Index{4} << 20) / Index{sizeof(T)};
  return rows > tile_rows || (ranges.count > 0 && ranges[ranges.count - 1].end * ldb > large);
}

// C (rows × V vectors) = A · B over all ranges. b is B's first row in this panel; if it is null,
// pack(k0, k1, to) lays those rows down. B isn't packed as such: a k_block of a panel stays in the first
// cache while the rows of A pass, and a copy would cost more than it saves.
template <class T, int V, class Pack>
inline void panel_product(View<const T> a, Index rows, Ranges ranges, View<const T> b, Pack&& pack,
                          View<T> c) {
  alignas(64) T packed[k_block * panel<T>];
  const bool fetching = b && worth_fetching<T>(rows, ranges, b.ld);
  Index r0 = 0;
  do {
    const Index k0 = ranges.count == 0 ? 0 : ranges[r0].begin / k_block * k_block;
    Index r1 = r0;
    while (r1 < ranges.count && ranges[r1].begin < k0 + k_block) ++r1;
    if (!b) {
      for (Index r = r0; r < r1; ++r) {
        pack(ranges[r].begin, ranges[r].end, packed + (ranges[r].begin - k0) * panel<T>);
      }
    }
    // What comes next: these columns' next rows, or the next panel's first.
    View<const T> ahead;
    if (fetching) ahead = r1 < ranges.count ? b.from(k0 + k_block) : b.from(0, panel<T>);
    for_row_tiles(rows, [&](Index m, auto height) {
      constexpr int M = decltype(height)::value;
      const Operand<T> x{a[m] + k0, a.ld, 1, b ? b.from(k0) : View<const T>{packed, panel<T>}};
      multiply_tile<T, M, V>(x, ranges, r0, r1, k0, c.from(m), r0 > 0, m == 0 ? ahead : View<const T>{});
    });
    r0 = r1;
  } while (r0 < ranges.count);
}

// Calls f(first column, columns, Rows<vectors>) for the panels of c0 … c1.
template <class T, class F>
inline void for_panels(Index c0, Index c1, F&& f) {
  for (Index c = c0; c < c1; c += panel<T>) {
    const Index cols = min(panel<T>, c1 - c);
    if (cols > lanes<T>) {
      f(c, cols, Rows<2>{});
    } else {
      f(c, cols, Rows<1>{});
    }
  }
}

}  // namespace
}  // namespace fastfa

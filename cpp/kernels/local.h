// What the kernels of locally connected layers share: walking patches with examples side by side, and
// tiles of positions.
#pragma once

#include "kernels/multiply.h"

namespace fastfa {
namespace {

constexpr int local_maps = 6;  // maps and vectors of examples that are kept in registers at once
#if FASTFA_VECTOR_BYTES == 64
constexpr int local_vecs = 4;
#else
constexpr int local_vecs = 2;
#endif

inline Index local_tiles_of(Index count, Index work) {
  return work < 131072 ? 1 : min(count, local_tiles);
}

// Positions are taken in blocks of as many as a vector has lanes.
template <class T>
inline Index position_tiles(const LocalShape& s, Index n) {
  return local_tiles_of((s.positions() + lanes<T> - 1) / lanes<T>, s.units() * s.patch() * n);
}

// Calls f(first position, how many) for the blocks of these tiles.
template <class T, class F>
inline void for_position_blocks(const LocalShape& s, Index n, Index tile, Index tile_end, F&& f) {
  const Index positions = s.positions(), tiles = position_tiles<T>(s, n);
  const Index blocks = (positions + lanes<T> - 1) / lanes<T>;
  for (Index b = tile * blocks / tiles; b < tile_end * blocks / tiles; ++b) {
    f(b * lanes<T>, min(lanes<T>, positions - b * lanes<T>));
  }
}

// Units of all maps at positions p … p + count: from (n, units) to across (units, n), padded with zeros.
template <class T>
inline void units_across(const LocalShape& s, Index p, Index count, View<const T> from, Index n,
                         View<T> across) {
  constexpr Index whole = lanes<T>;
  for (Index m = 0; m < s.maps; ++m) {
    const Index unit = m * s.positions() + p;
    for (Index r = 0; r < n; r += whole) {
      Vec<T> block[lanes<T>];
      for (Index i = 0; i < whole; ++i) {
        block[i] = r + i < n ? load_unaligned(from[r + i] + unit, count) : Vec<T>{};
      }
      transpose_block<T>(block);
      for (Index i = 0; i < count; ++i) store(across[unit + i] + r, block[i]);
    }
  }
}

// The way back; written out, for through a common loop both were slower (bench/NOTES.md).
template <class T>
inline void units_back(const LocalShape& s, Index p, Index count, View<const T> across, Index n,
                       View<T> to) {
  constexpr Index whole = lanes<T>;
  for (Index m = 0; m < s.maps; ++m) {
    const Index unit = m * s.positions() + p;
    for (Index r = 0; r < n; r += whole) {
      Vec<T> block[lanes<T>];
      for (Index i = 0; i < whole; ++i) {
        block[i] = i < count ? load(across[unit + i] + r) : Vec<T>{};
      }
      transpose_block<T>(block);
      for (Index i = 0; i < min(whole, n - r); ++i) {
        store_unaligned(to[r + i] + unit, block[i], count);
      }
    }
  }
}

// Part of a patch that lies in the image: kernel rows y0 … y1 and columns x0 … x1.
struct Window {
  Index y0, y1, x0, x1;
};
inline Window window_of(const LocalShape& s, Index oy, Index ox) {
  const Index top = oy * s.stride_h - s.pad_h, left = ox * s.stride_w - s.pad_w;
  return {max(0, -top), min(s.kernel_h, s.height - top), max(0, -left), min(s.kernel_w, s.width - left)};
}

// Calls f(offset of the first weight in its row of w, first pixel, how many) for each run of
// neighbouring pixels of a patch in one channel.
template <class F>
inline void for_patch_rows(const LocalShape& s, Index position, Index channel, F&& f) {
  const Index oy = position / s.out_w, ox = position % s.out_w;
  const Window in = window_of(s, oy, ox);
  if (in.x0 >= in.x1) return;
  const Index top = oy * s.stride_h - s.pad_h, left = ox * s.stride_w - s.pad_w;
  for (Index ky = in.y0; ky < in.y1; ++ky) {
    f(channel * s.block() + (ky * s.kernel_w + in.x0) * s.maps,
      (channel * s.height + top + ky) * s.width + left + in.x0, in.x1 - in.x0);
  }
}

// Calls f(first vector, Rows<count>) for the vectors of n examples, 4, 2 or 1 at once.
template <class T, class F>
inline void for_example_vecs(Index n, F&& f) {
  const Index vecs = (n + lanes<T> - 1) / lanes<T>;
  Index v = 0;
  if constexpr (local_vecs >= 4) {
    for (; v + 4 <= vecs; v += 4) f(v, Rows<4>{});
  }
  for (; v + 2 <= vecs; v += 2) f(v, Rows<2>{});
  if (v < vecs) f(v, Rows<1>{});
}

// Calls f(first, Rows<Few>) as long as so many are left, then f(first, Rows<1>) for the rest.
template <int Few, class F>
inline void for_each_few(Index count, F&& f) {
  Index i = 0;
  for (; i + Few <= count; i += Few) f(i, Rows<Few>{});
  for (; i < count; ++i) f(i, Rows<1>{});
}

// Calls f(first map, Rows<count>) for all maps, nearly equally many at once.
template <class F>
inline void for_maps(Index maps, F&& f) {
  for_even_parts<local_maps>(maps, f);
}

}  // namespace
}  // namespace fastfa

// Pooling, forward and back: each channel by itself, a vector of examples at once, in bands of rows that
// are turned round on the way in and out.
#pragma once

#include "kernels/conv.h"
#include "kernels/local_back.h"

namespace fastfa {
namespace {

template <class T>
inline Index pool_groups(Index n) {
  return (n + lanes<T> - 1) / lanes<T>;
}
template <class T, class Pool>
int pool_tiles(const Pool& p) {
  const Index work = p.shape.inputs() * p.n * 8;
  return conv_tiles_of(p.shape.channels * pool_groups<T>(p.n), work);
}

// Calls f(channel, first example, how many, the tile's scratch) for those of some tiles.
template <class T, class Pool, class F>
inline void for_channels(const Pool& p, int tile, int tile_end, F&& f) {
  const Index groups = pool_groups<T>(p.n), tiles = pool_tiles<T>(p), all = p.shape.channels * groups;
  T* const scratch = p.scratch + tile * pool_scratch<T>(p.shape);
  for (Index i = tile * all / tiles; i < tile_end * all / tiles; ++i) {
    const Index first = i % groups * lanes<T>;
    f(i / groups, first, min(lanes<T>, p.n - first), scratch);
  }
}

// Columns c … c + count of n rows, turned round: where column c is. Rows have whole cache lines, so a
// vector that would end beyond them begins earlier.
template <class T>
inline const T* turned(const T* from, Index ld, Index n, Index c, Index count, T* to) {
  constexpr Index whole = lanes<T>;
  const Index start = min(c, ld - whole);
  for (Index at = start; at < c + count; at += whole) {
    const Index here = min(at, ld - whole);
    Vec<T> block[lanes<T>];
    for (Index i = 0; i < whole; ++i) block[i] = i < n ? load_unaligned(from + i * ld + here) : Vec<T>{};
    transpose_block<T>(block);
    for (Index i = 0; i < whole; ++i) store(to + (here - start + i) * whole, block[i]);
  }
  return to + (c - start) * whole;
}
// The way back.
template <class T>
inline void turned_back(const T* from, Index n, T* to, Index ld, Index c, Index count) {
  constexpr Index whole = lanes<T>;
  for (Index at = 0; at < count; at += whole) {
    Vec<T> block[lanes<T>];
    for (Index i = 0; i < whole; ++i) block[i] = load(from + (at + i) * whole);
    transpose_block<T>(block);
    for (Index i = 0; i < n; ++i) store_some(to + i * ld + c + at, block[i], count - at);
  }
}

template <class T>
void pool_forward_run(const PoolForward<T>& f, int tile, int tile_end) {
  const LocalShape& s = f.shape;
  const Index band = pool_band(s.out_w, s.out_h), pixels = s.height * s.width;
  const T share = T(1) / static_cast<T>(s.kernel_h * s.kernel_w);
  for_channels<T>(f, tile, tile_end, [&](Index channel, Index first, Index n, T* scratch) {
    T* const best = scratch;
    T* const which = best + (band * s.out_w + lanes<T>)*lanes<T>;
    T* const image = which + (band * s.out_w + lanes<T>)*lanes<T>;
    for (Index oy = 0; oy < s.out_h; oy += band) {
      const Index rows = min(band, s.out_h - oy), units = rows * s.out_w;
      const Index from = oy * s.stride_h * s.width,
                  seen = ((rows - 1) * s.stride_h + s.kernel_h) * s.width;
      const T* x = turned(f.x + first * f.ldx, f.ldx, n, channel * pixels + from, seen, image);
      for (Index u = 0; u < units; ++u) {
        const T* patch = x + (u / s.out_w * s.stride_h * s.width + u % s.out_w * s.stride_w) * lanes<T>;
        Vec<T> value = load(patch), at{};
        if (f.chosen) {
          T k = 0;
          for (Index ky = 0; ky < s.kernel_h; ++ky) {
            for (Index kx = 0; kx < s.kernel_w; ++kx, k += 1) {
              const Vec<T> other = load(patch + (ky * s.width + kx) * lanes<T>);
              const Mask<T> larger = other > value;
              value = larger ? other : value;
              at = larger ? Vec<T>{} + k : at;
            }
          }
        } else {
          value = Vec<T>{};
          for (Index ky = 0; ky < s.kernel_h; ++ky) {
            for (Index kx = 0; kx < s.kernel_w; ++kx) {
              value += load(patch + (ky * s.width + kx) * lanes<T>);
            }
          }
          value = value * share;
        }
        store(best + u * lanes<T>, value);
        store(which + u * lanes<T>, at);
      }
      const Index unit = channel * s.positions() + oy * s.out_w;
      turned_back(best, n, f.a + first * f.lda, f.lda, unit, units);
      if (f.chosen) turned_back(which, n, f.chosen + first * f.ldc, f.ldc, unit, units);
    }
  });
}

template <class T>
void pool_back_run(const PoolBack<T>& b, int tile, int tile_end) {
  const LocalShape& s = b.shape;
  const Index band = pool_band(s.width, s.height), pixels = s.height * s.width;
  const T share = T(1) / static_cast<T>(s.kernel_h * s.kernel_w);
  for_channels<T>(b, tile, tile_end, [&](Index channel, Index first, Index n, T* scratch) {
    T* const below = scratch;
    for (Index y = 0; y < s.height; y += band) {
      const Index y_end = min(y + band, s.height);
      T* const of_units = below + (band * s.width + lanes<T>)*lanes<T>;
      for (Index i = 0; i < (y_end - y) * s.width; ++i) store(below + i * lanes<T>, Vec<T>{});
      Index oy, end, unused;
      positions_of(y, 0, s.kernel_h, s.stride_h, s.out_h, oy, unused);
      positions_of(y_end - 1, 0, s.kernel_h, s.stride_h, s.out_h, unused, end);
      const Index units = max(0, end - oy) * s.out_w, unit = channel * s.positions() + oy * s.out_w;
      const T *source = nullptr, *which = nullptr;
      if (units > 0) source = turned(b.source + first * b.lds, b.lds, n, unit, units, of_units);
      if (units > 0 && b.chosen) {
        which = turned(b.chosen + first * b.ldc, b.ldc, n, unit, units,
                       of_units + (units + 2 * lanes<T>)*lanes<T>);
      }
      for (Index u = 0; u < units; ++u) {
        const Index top = (oy + u / s.out_w) * s.stride_h, left = u % s.out_w * s.stride_w;
        const Vec<T> value = load(source + u * lanes<T>);
        const Vec<T> at = which ? load(which + u * lanes<T>) : Vec<T>{};
        for (Index ky = max(0, y - top); ky < min(s.kernel_h, y_end - top); ++ky) {
          T* to = below + ((top + ky - y) * s.width + left) * lanes<T>;
          T k = static_cast<T>(ky * s.kernel_w);
          for (Index kx = 0; kx < s.kernel_w; ++kx, k += 1, to += lanes<T>) {
            const Vec<T> part = which ? (at == Vec<T>{} + k ? value : Vec<T>{}) : value * share;
            store(to, load(to) + part);
          }
        }
      }
      turned_back(below, n, b.below + first * b.ldb, b.ldb, channel * pixels + y * s.width,
                  (y_end - y) * s.width);
    }
  });
}

}  // namespace
}  // namespace fastfa

// Pooling, forward and back: each channel of an example by itself, a row of units at a time, a vector of
// neighbouring units at once.
#pragma once

#include "kernels/conv.h"

namespace fastfa {
namespace {

template <class Pool>
inline Index pool_planes(const Pool& p) {
  return p.n * p.shape.channels;
}
template <class Pool>
int pool_tiles(const Pool& p) {
  return conv_tiles_of(pool_planes(p), p.shape.inputs() * p.n * 8);
}

// Elements 0, stride, 2 · stride … from p on.
template <class T>
inline Vec<T> load_apart(const T* p, Index stride, Index room) {
  constexpr Index whole = lanes<T>;
  if (stride == 1) return load_within(p, room);
  if (stride == 2) {
    const auto even = lanes_from<T>([](int i) { return 2 * i; });
    const Vec<T> first = load_within(p, room), second = load_within(p + whole, room - whole);
    return shuffle<T>(first, second, even);
  }
  Vec<T> v{};
  for (Index i = 0; i < whole && i * stride < room; ++i) v[i] = p[i * stride];
  return v;
}

template <class T>
struct Best {
  Vec<T> value, at;
};
// The largest value of the patches from `patch` on, and which of the patch it is, the first of several.
template <class T>
inline Best<T> largest(const LocalShape& s, const T* patch, Index room) {
  Best<T> best{load_apart(patch, s.stride_w, room), {}};
  T k = 0;
  for (Index ky = 0; ky < s.kernel_h; ++ky) {
    for (Index kx = 0; kx < s.kernel_w; ++kx, k += 1) {
      const Index to = ky * s.width + kx;
      const Vec<T> other = load_apart(patch + to, s.stride_w, room - to);
      const Mask<T> larger = other > best.value;
      best.value = larger ? other : best.value;
      best.at = larger ? Vec<T>{} + k : best.at;
    }
  }
  return best;
}
template <class T>
inline Vec<T> mean(const LocalShape& s, const T* patch, Index room) {
  Vec<T> sum{};
  for (Index ky = 0; ky < s.kernel_h; ++ky) {
    for (Index kx = 0; kx < s.kernel_w; ++kx) {
      const Index to = ky * s.width + kx;
      sum += load_apart(patch + to, s.stride_w, room - to);
    }
  }
  return sum * (T(1) / static_cast<T>(s.kernel_h * s.kernel_w));
}

template <class T>
void pool_forward_run(const PoolForward<T>& f, int tile, int tile_end) {
  const LocalShape& s = f.shape;
  const Index tiles = pool_tiles(f), planes = pool_planes(f), pixels = s.height * s.width;
  for (Index i = tile * planes / tiles; i < tile_end * planes / tiles; ++i) {
    const Index example = i / s.channels, channel = i % s.channels;
    const T* const x = f.x[example] + channel * pixels;
    T* const a = f.a[example] + channel * s.positions();
    T* const chosen = f.chosen ? f.chosen[example] + channel * s.positions() : nullptr;
    for (Index oy = 0; oy < s.out_h; ++oy) {
      for (Index ox = 0; ox < s.out_w; ox += lanes<T>) {
        // A vector may go beyond the row's end: the next row is written over that.
        const Index unit = oy * s.out_w + ox, room = s.positions() - unit;
        const Index from = oy * s.stride_h * s.width + ox * s.stride_w;
        if (chosen) {
          const Best<T> best = largest(s, x + from, pixels - from);
          store_some(a + unit, best.value, room);
          store_some(chosen + unit, best.at, room);
        } else {
          store_some(a + unit, mean(s, x + from, pixels - from), room);
        }
      }
    }
  }
}

// Patches two pixels wide that don't overlap: each row of pixels is written once, as its units are read.
template <class T>
inline void pool_back_pairs(const LocalShape& s, const T* source, const T* chosen, T* below) {
  const T share = T(1) / static_cast<T>(s.kernel_h * s.kernel_w);
  const Index pixels = s.height * s.width;
  const auto low = lanes_from<T>([](int i) { return i / 2; });
  const auto high = lanes_from<T>([](int i) { return i / 2 + lanes<T> / 2; });
  Vec<T> odd;
  for (int i = 0; i < lanes<T>; ++i) odd[i] = static_cast<T>(i % 2);
  for (Index y = 0; y < s.height; ++y) {
    const Index oy = y / s.stride_h, ky = y % s.stride_h, begin = y * s.width;
    const bool seen = oy < s.out_h && ky < s.kernel_h;
    for (Index ox = 0; seen && ox < s.out_w; ox += lanes<T>) {
      const Index unit = oy * s.out_w + ox, count = s.out_w - ox, x = begin + 2 * ox;
      const Vec<T> value = load_some(source + unit, count);
      Vec<T> first = shuffle<T>(value * share, low), second = shuffle<T>(value * share, high);
      if (chosen) {
        const Vec<T> at = load_some(chosen + unit, count), k = odd + static_cast<T>(2 * ky);
        first = shuffle<T>(at, low) == k ? shuffle<T>(value, low) : Vec<T>{};
        second = shuffle<T>(at, high) == k ? shuffle<T>(value, high) : Vec<T>{};
      }
      // What goes beyond the row's end is zero, and the next row is written over it.
      store_some(below + x, first, pixels - x);
      if (x + lanes<T> < pixels) store_some(below + x + lanes<T>, second, pixels - x - lanes<T>);
    }
    for (Index x = seen ? 2 * s.out_w : 0; x < s.width; ++x) below[begin + x] = 0;
  }
}

// Any other patches.
template <class T>
inline void pool_back_any(const LocalShape& s, const T* source, const T* chosen, T* below) {
  const T share = T(1) / static_cast<T>(s.kernel_h * s.kernel_w);
  for (Index i = 0; i < s.height * s.width; ++i) below[i] = 0;
  for (Index unit = 0; unit < s.positions(); ++unit) {
    T* to = below + unit / s.out_w * s.stride_h * s.width + unit % s.out_w * s.stride_w;
    const T value = source[unit], at = chosen ? chosen[unit] : T(0);
    T k = 0;
    for (Index ky = 0; ky < s.kernel_h; ++ky, to += s.width) {
      for (Index kx = 0; kx < s.kernel_w; ++kx, k += 1) {
        to[kx] += chosen ? (at == k ? value : T(0)) : value * share;
      }
    }
  }
}

template <class T>
void pool_back_run(const PoolBack<T>& b, int tile, int tile_end) {
  const LocalShape& s = b.shape;
  const Index tiles = pool_tiles(b), planes = pool_planes(b);
  const bool pairs = s.kernel_w == 2 && s.stride_w == 2 && s.kernel_h <= s.stride_h;
  for (Index i = tile * planes / tiles; i < tile_end * planes / tiles; ++i) {
    const Index example = i / s.channels, channel = i % s.channels, first = channel * s.positions();
    (pairs ? pool_back_pairs<T> : pool_back_any<T>)(s, b.source[example] + first,
                                                    b.chosen ? b.chosen[example] + first : nullptr,
                                                    b.below[example] + channel * s.height * s.width);
  }
}

}  // namespace
}  // namespace fastfa

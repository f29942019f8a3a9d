// What the kernels of convolutions share: images laid out with examples side by side, and back.
#pragma once

#include "kernels/conv_ops.h"
#include "kernels/local.h"

namespace fastfa {
namespace {

inline Index conv_work(const LocalShape& s, Index n) { return s.units() * s.patch() * n; }
inline int conv_tiles_of(Index count, Index work) {
  return static_cast<int>(work < 131072 ? 1 : min(count, conv_tiles));
}

// A group of examples: the first, how many, how far apart its rows are, and where it begins in an array
// of so many rows.
template <class T>
struct Group {
  Index first, n, ld;
  Group(Index group, Index all)
      : first(group * conv_group),
        n(min(conv_group, all - group * conv_group)),
        ld(round_up(n, lanes<T>)) {}
  Index begin(Index rows) const { return rows * first; }
};
inline Index groups_of(Index n) { return (n + conv_group - 1) / conv_group; }

// Blocks of as many pixels as a vector has lanes.
template <class T>
inline Index pixel_blocks(const Bordered& image) {
  return (image.pixels() + lanes<T> - 1) / lanes<T>;
}
template <class T>
inline int image_tiles(const Bordered& image, Index n) {
  return conv_tiles_of(pixel_blocks<T>(image) * groups_of(n), image.channels * image.pixels() * n * 8);
}

// Where the pixels p … p + lanes of channel 0 lie across.
template <class T>
struct Places {
  Index at[lanes<T>];
  Places(const Bordered& image, Index p, Index count) {
    Index y = p / image.width, x = p % image.width;
    for (Index i = 0; i < count; ++i) {
      at[i] = image.place(y, x, 0);
      if (++x == image.width) x = 0, ++y;
    }
  }
};

template <class T>
int lay_images_tiles(const LayImages<T>& l) {
  return image_tiles<T>(l.image, l.n);
}
template <class T>
void lay_images_run(const LayImages<T>& l, int tile, int tile_end) {
  constexpr Index whole = lanes<T>;
  const Index tiles = lay_images_tiles(l), blocks = pixel_blocks<T>(l.image), pixels = l.image.pixels(),
              pieces = blocks * groups_of(l.n);
  for (Index piece = tile * pieces / tiles; piece < tile_end * pieces / tiles; ++piece) {
    const Group<T> group(piece / blocks, l.n);
    const Index p = piece % blocks * whole, count = min(whole, pixels - p);
    const Places<T> places(l.image, p, count);
    T* const across = l.across + group.begin(l.image.places());
    for (Index channel = 0; channel < l.image.channels; ++channel) {
      const T* from = l.flat + group.first * l.ldf + channel * pixels + p;
      for (Index r = 0; r < group.n; r += whole) {
        Vec<T> block[lanes<T>];
        for (Index i = 0; i < whole; ++i) {
          block[i] = r + i < group.n ? load_unaligned(from + (r + i) * l.ldf, count) : Vec<T>{};
        }
        transpose_block<T>(block);
        for (Index i = 0; i < count; ++i) {
          store(across + (places.at[i] + channel) * group.ld + r, block[i]);
        }
      }
    }
  }
}

// The pixels of one block and one group.
template <class T>
inline void take_block(const TakeImages<T>& t, Index block, const Group<T>& group) {
  constexpr Index whole = lanes<T>;
  const Index pixels = t.image.pixels(), p = block * whole, count = min(whole, pixels - p);
  const Places<T> places(t.image, p, count);
  const T* const across = t.across + group.begin(t.image.places());
  for (Index channel = 0; channel < t.image.channels; ++channel) {
    T* to = t.flat + group.first * t.ldf + channel * pixels + p;
    for (Index r = 0; r < group.n; r += whole) {
      Vec<T> lines[lanes<T>];
      for (Index i = 0; i < whole; ++i) {
        lines[i] = i < count ? load(across + (places.at[i] + channel) * group.ld + r) : Vec<T>{};
      }
      transpose_block<T>(lines);
      for (Index i = 0; i < min(whole, group.n - r); ++i) {
        store_unaligned(to + (r + i) * t.ldf, lines[i], count);
      }
    }
  }
}

template <class T>
int take_images_tiles(const TakeImages<T>& t) {
  return image_tiles<T>(t.image, t.n);
}
template <class T>
void take_images_run(const TakeImages<T>& t, int tile, int tile_end) {
  const Index tiles = take_images_tiles(t), blocks = pixel_blocks<T>(t.image),
              pieces = blocks * groups_of(t.n);
  for (Index piece = tile * pieces / tiles; piece < tile_end * pieces / tiles; ++piece) {
    take_block(t, piece % blocks, Group<T>(piece / blocks, t.n));
  }
}

}  // namespace
}  // namespace fastfa

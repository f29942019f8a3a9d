// What the kernels of convolutions share: images laid out with the channels of a pixel side by side, and
// back.
#pragma once

#include "kernels/conv_layout.h"
#include "kernels/panels.h"

namespace fastfa {
namespace {

inline Index conv_work(const LocalShape& s, Index n) { return s.units() * s.patch() * n; }
inline int conv_tiles_of(Index count, Index work) {
  return static_cast<int>(work < 131072 ? 1 : min(count, conv_tiles));
}

// Sums of nothing. (GCC calls memset for `= {}`.)
template <class V, int M, int N>
inline void clear(V (&acc)[M][N]) {
#pragma GCC unroll 16
  for (int m = 0; m < M; ++m) {
    for (int n = 0; n < N; ++n) acc[m][n] = V{};
  }
}

// Rows of an image in scratch, each pixel with its channels and `pitch` values from the next one. Around
// the image are zeros.
struct Frame {
  Index channels, height, width;  // of the image
  Index first, rows;              // its row that is the first here, and how many there are
  Index left, cols;               // columns of zeros before it, and columns in all
  Index pitch;
};

// Pixels p … p + count of all channels of an image. Vectors are written whole: beyond a pixel's last
// channel lies the next pixel, which is written later.
template <class T>
inline void lay_pixels(const Frame& f, const T* flat, Index p, Index count, T* to) {
  constexpr Index whole = lanes<T>;
  const Index pixels = f.height * f.width;
  T* places[lanes<T>];
  for (Index i = 0, y = p / f.width, x = p % f.width; i < count; ++i) {
    places[i] = to + ((y - f.first) * f.cols + f.left + x) * f.pitch;
    if (++x == f.width) x = 0, ++y;
  }
  for (Index c = (f.channels - 1) / whole * whole; c >= 0; c -= whole) {
    const Index channels = min(whole, f.channels - c);
    Vec<T> block[lanes<T>];
    for (Index i = 0; i < whole; ++i) {
      block[i] = i < channels ? load_some(flat + (c + i) * pixels + p, count) : Vec<T>{};
    }
    transpose_block<T>(block);
    for (Index i = 0; i < count; ++i) store_unaligned(places[i] + c, block[i], whole);
  }
}

template <class T>
inline void lay_band(const Frame& f, const T* flat, T* to) {
  const Index y0 = max(f.first, 0), y1 = min(f.first + f.rows, f.height), row = f.cols * f.pitch;
  if (f.pitch == 1) {
    for (Index y = y0; y < y1; ++y) {
      const T* from = flat + y * f.width;
      T* at = to + (y - f.first) * row + f.left;
      for (Index x = 0; x < f.width; ++x) at[x] = from[x];
    }
  } else {
    for (Index p = y0 * f.width; p < y1 * f.width; p += lanes<T>) {
      lay_pixels(f, flat, p, min(lanes<T>, y1 * f.width - p), to);
    }
  }
  const auto zero = [](T* from, T* end) {
    for (; from < end; ++from) *from = 0;
  };
  for (Index r = 0; r < f.rows; ++r) {
    T *const begin = to + r * row, *const end = begin + row;
    if (f.first + r < y0 || f.first + r >= y1) {
      zero(begin, end);
    } else {
      zero(begin, begin + f.left * f.pitch);
      zero(begin + (f.left + f.width) * f.pitch, end);
    }
  }
}

// So many pixels with `channels` each back into planes: channel c of the first is at to[c ·
// plane]. `finish(values, how many)` may change values before they are stored.
template <class T, class Finish>
inline void take_band(View<const T> from, Index pixels, Index channels, T* to, Index plane,
                      Finish&& finish) {
  constexpr Index whole = lanes<T>;
  for (Index c = 0; c < channels; c += whole) {
    const Index rows = min(whole, channels - c);
    for (Index p = 0; p < pixels; p += whole) {
      const Index count = min(whole, pixels - p);
      Vec<T> block[lanes<T>];
      for (Index i = 0; i < whole; ++i) block[i] = i < count ? load(from[p + i] + c) : Vec<T>{};
      transpose_block<T>(block);
      finish(reinterpret_cast<T*>(block), rows * whole);
      for (Index i = 0; i < rows; ++i) store_some(to + (c + i) * plane + p, block[i], count);
    }
  }
}

// to (maps, channels) = wᵀ, whole vectors of channels
template <class T>
inline void turn(View<const T> w, Index channels, Index maps, View<T> to) {
  constexpr Index whole = lanes<T>;
  for (Index c = 0; c < channels; c += whole) {
    for (Index m = 0; m < maps; m += whole) {
      Vec<T> block[lanes<T>];
      for (Index i = 0; i < whole; ++i) {
        block[i] = c + i < channels ? load(w[c + i] + m) : Vec<T>{};
      }
      transpose_block<T>(block);
      for (Index i = 0; i < min(whole, maps - m); ++i) store(to[m + i] + c, block[i]);
    }
  }
}

// A piece: an example and rows y0 … y1 of it.
struct Piece {
  Index example, y0, y1;
  Piece(Index index, Index width, Index height, Index pixels = band_pixels) {
    const Index bands = bands_of(width, height, pixels), band = index % bands;
    example = index / bands;
    y0 = band * height / bands;
    y1 = (band + 1) * height / bands;
  }
};

// The patches of a band of units, as `layout` says; where the first one begins.
template <class T>
inline const T* lay_patches(const LocalShape& s, const PatchLayout& layout, const Piece& piece,
                            const T* flat, T* scratch) {
  const Index rows = (piece.y1 - piece.y0 - 1) * s.stride_h + s.kernel_h;
  lay_band({s.channels, s.height, s.width, piece.y0 * s.stride_h - s.pad_h, rows, s.pad_w, layout.cols,
            s.channels},
           flat, scratch);
  if (!layout.copied) return scratch;
  T *const patches = scratch + layout.image, *to = patches;
  const Index along = s.kernel_w * s.channels, row = layout.cols * s.channels;
  for (Index y = 0; y < piece.y1 - piece.y0; ++y) {
    for (Index x = 0; x < s.out_w; ++x) {
      const T* from = scratch + y * s.stride_h * row + x * s.stride_w * s.channels;
      for (Index ky = 0; ky < s.kernel_h; ++ky, from += row, to += along) {
        for (Index i = 0; i < along; i += lanes<T>) {
          store_unaligned(to + i, load_unaligned(from + i), lanes<T>);
        }
      }
    }
  }
  return patches;
}

}  // namespace
}  // namespace fastfa

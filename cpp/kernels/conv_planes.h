// Convolutions with few maps, or few channels on the way back: a vector holds neighbouring positions of
// a row, since maps would leave most of it empty. Each channel is a plane in scratch, with zeros around
// it, and rows that may be read a vector beyond their end. Only for strides of 1.
#pragma once

#include "kernels/conv.h"
#include "kernels/sums.h"

namespace fastfa {
namespace {

// What is kept in registers: maps, of two vectors of positions; columns of a kernel, times maps.
#if FASTFA_VECTOR_BYTES == 64
constexpr int plane_maps = 8, plane_taps = 5, plane_taps_maps = 4;
#else
constexpr int plane_maps = 4, plane_taps = 3, plane_taps_maps = 3;
#endif

// Is it worth it for rows of so many values, where there are so many maps?
template <class T>
inline bool by_planes(const LocalShape& s, Index width, Index maps) {
  const Index rows = round_up(width, lanes<T>), vectors = round_up(maps, lanes<T>);
  return s.stride_h == 1 && s.stride_w == 1 && 5 * maps * rows < 4 * width * vectors;
}

// Rows `first` … `first + p.rows` of an image, behind `left` columns of zeros.
template <class T>
inline void lay_planes(const Planes& p, const T* flat, Index height, Index width, Index first,
                       Index left, T* to) {
  for (Index c = 0; c < p.channels; ++c) {
    for (Index r = 0; r < p.rows; ++r, to += p.cols) {
      const Index y = first + r;
      Index x = 0;
      if (y >= 0 && y < height) {
        const T* from = flat + (c * height + y) * width;
        for (; x < left; ++x) to[x] = 0;
        for (; x < left + width; ++x) to[x] = from[x - left];
      }
      for (; x < p.cols; ++x) to[x] = 0;
    }
  }
}

// What a product over planes reads: row (ky, kx, channel) of W is row ky · down + kx · channels +
// channel of w, a column for each map.
template <class T>
struct PlaneKernel {
  Index height, width;
  View<const T> w;
  Index down;
  const T* bias;
};

// M maps from `map` on of V vectors of positions, which lie `next` apart in the image and `made` apart
// in a plane of what is made; `in` is the first value that the first one sees.
template <class T, int M, int V>
inline void planes_tile(const Planes& p, const PlaneKernel<T>& k, const T* in, Index next, Index map,
                        T* to, Index made, Index plane) {
  Vec<T> acc[M][V];
  for (int m = 0; m < M; ++m) {
    for (int v = 0; v < V; ++v) acc[m][v] = Vec<T>{} + (k.bias ? k.bias[map + m] : T(0));
  }
  for (Index ky = 0; ky < k.height; ++ky, in += p.cols) {
    const T* w = k.w[ky * k.down] + map;
    for (Index kx = 0; kx < k.width; ++kx) {
      const T* x = in + kx;
      for (Index c = 0; c < p.channels; ++c, x += p.plane(), w += k.w.ld) {
        Vec<T> row[V];
        for (int v = 0; v < V; ++v) row[v] = load_unaligned(x + v * next);
#pragma GCC unroll 8
        for (int m = 0; m < M; ++m) {
#pragma GCC unroll 2
          for (int v = 0; v < V; ++v) acc[m][v] += w[m] * row[v];
        }
      }
    }
  }
  for (int m = 0; m < M; ++m) {
    for (int v = 0; v < V; ++v) store_unaligned(to + m * plane + v * made, acc[m][v], lanes<T>);
  }
}

// All maps of `rows` rows of positions, as planes without gaps. A row's last vector goes beyond its end;
// the next row is written over that. finish(map, values) is called with a plane, zero behind its end.
template <class T, class Finish>
inline void planes_product(const Planes& p, const PlaneKernel<T>& k, const T* in, Index maps, Index rows,
                           Index width, T* made, Finish&& finish) {
  const Index count = rows * width, plane = plane_of(count);
  for_even_parts<plane_maps>(maps, [&](Index map, auto deep) {
    constexpr int M = decltype(deep)::value;
    Index y = 0;
    // Narrow images: two rows at once.
    for (; width <= lanes<T> && y + 2 <= rows; y += 2) {
      planes_tile<T, M, 2>(p, k, in + y * p.cols, p.cols, map, made + y * width, width, plane);
    }
    for (; y < rows; ++y) {
      const T* row = in + y * p.cols;
      T* to = made + y * width;
      Index x = 0;
      for (; x + lanes<T> < width; x += 2 * lanes<T>) {
        planes_tile<T, M, 2>(p, k, row + x, lanes<T>, map, to + x, lanes<T>, plane);
      }
      if (x < width) planes_tile<T, M, 1>(p, k, row + x, 0, map, to + x, 0, plane);
    }
    for (Index m = 0; m < M; ++m) {
      T* const values = made + m * plane;
      for (Index i = count; i < round_up(count, lanes<T>); ++i) values[i] = 0;
      finish(map + m, values);
    }
  });
}

// A plane's values, from scratch.
template <class T>
inline void take_plane(const T* values, Index count, T* to) {
  for (Index i = 0; i < count; i += lanes<T>) store_some(to + i, load(values + i), count - i);
}

// sums[k, m] += Σ x[position + k] δ[m] over a band, for K neighbouring columns of a kernel and M maps.
template <class T, int K, int M>
inline void planes_gradient(const Planes& seen, const T* x, const Planes& units, const T* delta,
                            double* sums, Index next) {
  constexpr int rounds = (K * M + lanes<T> - 1) / lanes<T>;
  Vec<T> acc[rounds * lanes<T>] = {};
  for (Index y = 0; y < units.rows; ++y) {
    for (Index i = 0; i < units.cols; i += lanes<T>) {
      Vec<T> row[K];
      for (int k = 0; k < K; ++k) row[k] = load_unaligned(x + y * seen.cols + i + k);
#pragma GCC unroll 8
      for (int m = 0; m < M; ++m) {
        const Vec<T> d = load(delta + m * units.plane() + y * units.cols + i);
#pragma GCC unroll 8
        for (int k = 0; k < K; ++k) acc[k * M + m] += row[k] * d;
      }
    }
  }
  alignas(64) T part[rounds * lanes<T>];
#pragma GCC unroll 8
  for (int r = 0; r < rounds; ++r) store(part + r * lanes<T>, sums_of<T>(acc + r * lanes<T>));
  for (int k = 0; k < K; ++k) {
    for (int m = 0; m < M; ++m) sums[k * next + m] += static_cast<double>(part[k * M + m]);
  }
}

}  // namespace
}  // namespace fastfa

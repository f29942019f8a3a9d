// The optimizer's step on a convolution: the patches times δ, summed over positions and examples.
// Accumulates into w, bias and the optimizer's memory of them. Sums are long, so they are formed in
// parts: chains of T over chunk_vecs vectors, then in double.
#pragma once

#include "kernels/conv.h"
#include "kernels/learn.h"
#include "kernels/local_update.h"

namespace fastfa {
namespace {

constexpr Index chunk_vecs = 128;  // vectors of examples and positions in one chain, about

// Rows of W are taken local_pixels at a time, from one ky: so many such groups. The last piece of work
// is the bias.
inline Index groups_along(const LocalShape& s) {
  return (s.kernel_w * s.channels + local_pixels - 1) / local_pixels;
}
inline Index update_pieces(const LocalShape& s) { return s.kernel_h * groups_along(s) + 1; }

template <class T>
int conv_update_tiles(const ConvUpdate<T>& u) {
  return conv_tiles_of(update_pieces(u.shape), conv_work(u.shape, u.n));
}

// A part of the sums: output rows oy0 … oy1 of a group, and vectors v0 … v1 of its examples.
template <class T>
struct Chunk {
  Group<T> group;
  Index oy0, oy1, v0, v1;
};
template <class T, class F>
inline void for_chunks(const LocalShape& s, Index n, F&& f) {
  for (Index g = 0; g < groups_of(n); ++g) {
    const Group<T> group(g, n);
    const Index vecs = group.ld / lanes<T>;
    const Index wide = max(1, min(min(vecs, 4), chunk_vecs / s.out_w));
    const Index rows = max(1, chunk_vecs / (s.out_w * wide));
    for (Index v = 0; v < vecs; v += wide) {
      for (Index oy = 0; oy < s.out_h; oy += rows) {
        f(Chunk<T>{group, oy, min(oy + rows, s.out_h), v, min(v + wide, vecs)});
      }
    }
  }
}

// sums[k, m] += Σ x[row k of the patch] δ[m] over a chunk, for K rows of one ky from `along` on and M
// maps.
template <class T, int K, int M>
inline void conv_gradient(const ConvUpdate<T>& u, const Bordered& seen, const Chunk<T>& chunk, Index ky,
                          Index along, Index map, double* sums) {
  const LocalShape& s = u.shape;
  constexpr int rounds = (K * M + lanes<T> - 1) / lanes<T>;
  Vec<T> acc[rounds * lanes<T>] = {};
  const Index ld = chunk.group.ld;
  const T* const group_x = u.x + chunk.group.begin(seen.places());
  const T* const group_delta = u.delta + chunk.group.begin(s.units());
  for (Index oy = chunk.oy0; oy < chunk.oy1; ++oy) {
    const T* x = group_x + ((oy * s.stride_h + ky) * seen.cols * s.channels + along) * ld;
    const T* delta = group_delta + (oy * s.out_w * s.maps + map) * ld;
    for (Index ox = 0; ox < s.out_w; ++ox) {
      for (Index v = chunk.v0; v < chunk.v1; ++v) {
        Vec<T> row[K];
        for (int k = 0; k < K; ++k) row[k] = load(x + k * ld + v * lanes<T>);
#pragma GCC unroll 8
        for (int m = 0; m < M; ++m) {
          const Vec<T> d = load(delta + m * ld + v * lanes<T>);
#pragma GCC unroll 4
          for (int k = 0; k < K; ++k) acc[k * M + m] += row[k] * d;
        }
      }
      x += s.stride_w * s.channels * ld;
      delta += s.maps * ld;
    }
  }
  alignas(64) T part[rounds * lanes<T>];
#pragma GCC unroll 8
  for (int r = 0; r < rounds; ++r) store(part + r * lanes<T>, sums_of<T>(acc + r * lanes<T>));
  for (int k = 0; k < K; ++k) {
    for (int m = 0; m < M; ++m) sums[k * u.lds + map + m] += part[k * M + m];
  }
}

// A row of sums, once they are whole, is the gradient of a row of parameters. Padding has a sum of zero.
template <class T>
inline void learn_row(const ConvUpdate<T>& u, const double* sums, T* w, T* v, T* s, T decay) {
  for (Index c = 0; c < u.shape.maps; c += lanes<T>) {
    const Slot<T> slot{w + c, v ? v + c : nullptr, s ? s + c : nullptr};
    apply(u, slot, rounded_at<T>(sums + c), decay);
  }
}

// Σ δ of each map.
template <class T>
inline void learn_bias(const ConvUpdate<T>& u) {
  if (!u.bias) return;
  const LocalShape& s = u.shape;
  double* sums = u.sums + s.patch() * u.lds;
  for (Index m = 0; m < s.maps; ++m) {
    double sum = 0;
    for_chunks<T>(s, u.n, [&](const Chunk<T>& chunk) {
      Vec<T> acc{};
      const T* const group_delta = u.delta + chunk.group.begin(s.units());
      for (Index p = chunk.oy0 * s.out_w; p < chunk.oy1 * s.out_w; ++p) {
        const T* delta = group_delta + (p * s.maps + m) * chunk.group.ld;
        for (Index v = chunk.v0; v < chunk.v1; ++v) acc += load(delta + v * lanes<T>);
      }
      for (int i = 0; i < lanes<T>; ++i) sum += static_cast<double>(acc[i]);
    });
    sums[m] = sum;
  }
  learn_row(u, sums, u.bias, u.v ? u.v_bias : nullptr, u.s ? u.s_bias : nullptr, T(0));
}

// Rows of W, all of one ky.
struct PatchRows {
  Index ky, along, count;
  PatchRows(const LocalShape& s, Index piece) {
    const Index groups = groups_along(s), wide = s.kernel_w * s.channels, g = piece % groups;
    ky = piece / groups;
    along = g * wide / groups;
    count = (g + 1) * wide / groups - along;
  }
  Index first(const LocalShape& s) const { return ky * s.kernel_w * s.channels + along; }
};

template <class T>
inline void add_chunk(const ConvUpdate<T>& u, const Bordered& seen, const Chunk<T>& chunk,
                      const PatchRows& piece) {
  double* const sums = u.sums + piece.first(u.shape) * u.lds;
  for_maps(u.shape.maps, [&](Index map, auto maps) {
    const auto rows = [&](auto wide) {
      conv_gradient<T, decltype(wide)::value, decltype(maps)::value>(u, seen, chunk, piece.ky,
                                                                     piece.along, map, sums);
    };
    with_rows<decltype(rows)&, local_pixels>(static_cast<int>(piece.count), rows);
  });
}

template <class T>
void conv_update_run(const ConvUpdate<T>& u, int tile, int tile_end) {
  const LocalShape& s = u.shape;
  const Bordered seen = seen_by(s);
  const Index tiles = conv_update_tiles(u), pieces = update_pieces(s);
  const Index begin = tile * pieces / tiles, end = min(tile_end * pieces / tiles, pieces - 1);
  if (tile_end == tiles) learn_bias(u);
  if (begin >= end) return;
  const Index row0 = PatchRows(s, begin).first(s), last = end - 1;
  const Index row1 = PatchRows(s, last).first(s) + PatchRows(s, last).count;
  for (Index i = row0 * u.lds; i < row1 * u.lds; ++i) u.sums[i] = 0;
  for_chunks<T>(s, u.n, [&](const Chunk<T>& chunk) {
    for (Index piece = begin; piece < end; ++piece) add_chunk(u, seen, chunk, PatchRows(s, piece));
  });
  for (Index row = row0; row < row1; ++row) {
    const Index at = row * u.ldw;
    learn_row(u, u.sums + row * u.lds, u.w + at, u.v ? u.v + at : nullptr, u.s ? u.s + at : nullptr,
              u.decay);
  }
}

}  // namespace
}  // namespace fastfa

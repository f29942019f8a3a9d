// Random numbers from Philox: out (rows, cols), overwritten; and noise on pre-activations: a ← σ(a +
// out). Which number stands where depends on the stream alone.
#pragma once

#include "kernels/math.h"
#include "kernels/philox_lanes.h"

namespace fastfa {
namespace {

constexpr Index draw_cols = 64;  // columns of one tile

template <class T>
int draw_tiles(const Draw<T>& d) {
  return tiny(d.rows, d.cols, 16) ? 1 : static_cast<int>((d.cols + draw_cols - 1) / draw_cols);
}

// The numbers of four rows from the four words of their blocks. A pair of rows makes a pair of normal
// numbers (Box and Muller).
template <class T>
inline void four_rows(const Draw<T>& d, Vec<T> (&x)[4]) {
  using Row = Eigen::Array<T, lanes<T>, 1>;
  const auto distribution = d.distribution;
  for (int i = 0; i < 4 && distribution != Distribution::normal; ++i) {
    x[i] = distribution == Distribution::uniform ? d.scale * (T(2) * x[i] - T(1)) : d.scale * x[i];
  }
  if (distribution != Distribution::normal) return;
  for (int i = 0; i < 4; i += 2) {
    Eigen::Map<Row, Eigen::AlignedMax> even(reinterpret_cast<T*>(&x[i])),
        odd(reinterpret_cast<T*>(&x[i + 1]));
    const Row radius = d.scale * (T(-2) * even.log()).sqrt();
    const Row angle = T(6.283185307179586476925286766559) * odd;
    even = radius * angle.cos();
    odd = radius * angle.sin();
  }
}

template <class T>
void draw_columns(const Draw<T>& d, Index begin, Index end) {
  bool ok = true;
  for (Index r = 0; r < d.rows; r += 4) {
    for (Index c = begin; c < end; c += lanes<T>) {
      Mask<T> words[1][4];
      philox_lanes<T, 1>({d.seed, d.purpose, d.layer}, static_cast<std::uint32_t>(c),
                         static_cast<std::uint32_t>((d.row0 + r) / 4), words);
      alignas(64) Vec<T> x[4];
      for (int i = 0; i < 4; ++i) x[i] = unit_lanes<T>(words[0][i]);
      four_rows(d, x);
      for (Index i = 0; i < min(4, d.rows - r); ++i) {
        for (Index l = end - c; l < lanes<T>; ++l) x[i][l] = 0;  // padding stays zero
        store(d.out[r + i] + c, x[i]);
        if (d.a) store(d.a[r + i] + c, load(d.a[r + i] + c) + x[i]);
      }
    }
    if (!d.a) continue;
    for (Index i = r; i < min(r + 4, d.rows); ++i) {
      T* a = d.a[i] + begin;
      const Index width = round_up(end - begin, lanes<T>);
      ok &= row_within_limit(a, width);
      activate(a, width, d.activation);
      for (Index c = end - begin; c < width; ++c) a[c] = 0;
    }
  }
  if (!ok) report(d.bad);
}

template <class T>
void draw_run(const Draw<T>& d, int tile, int tile_end) {
  const bool whole = draw_tiles(d) == 1;
  const Index end = whole ? d.cols : min(tile_end * draw_cols, d.cols);
  for (Index c = whole ? 0 : tile * draw_cols; c < end; c += draw_cols) {
    draw_columns(d, c, min(c + draw_cols, d.cols));
  }
}

}  // namespace
}  // namespace fastfa

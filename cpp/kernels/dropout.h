// Dropout: units fall silent at random, the others are as much louder. The mask is drawn from Philox
// where it is used, in the pass up as in the pass down, so none is stored.
#pragma once

#include "kernels/philox_lanes.h"

namespace fastfa {
namespace {

constexpr Index dropout_cols = 64;  // columns of one tile

template <class T>
int dropout_tiles(const Dropout<T>& d) {
  return tiny(d.rows, d.cols, 8) ? 1 : static_cast<int>((d.cols + dropout_cols - 1) / dropout_cols);
}

template <class T>
inline void drop_columns(const Dropout<T>& d, Index begin, Index end) {
  // Unsigned words compared as signed ones: both with their top bit turned.
  constexpr int shift = 8 * static_cast<int>(sizeof(T)) - 32;
  const Mask<T> threshold = Mask<T>{} + static_cast<std::int32_t>(d.threshold ^ 0x80000000u);
  for (Index r = 0; r < d.rows; r += 4) {
    for (Index c = begin; c < end; c += lanes<T>) {
      Mask<T> words[1][4];
      philox_lanes<T, 1>({d.seed, d.purpose, d.layer}, static_cast<std::uint32_t>(c),
                         static_cast<std::uint32_t>((d.row0 + r) / 4), words);
      for (Index i = 0; i < min(4, d.rows - r); ++i) {
        const Mask<T> turned = words[0][i] ^ (Mask<T>{} + 0x80000000);
        const Mask<T> word = (turned << shift) >> shift;
        const Vec<T> x = load(d.x[r + i] + c);
        store(d.to[r + i] + c, word >= threshold ? x * d.scale : Vec<T>{});
      }
    }
  }
}

template <class T>
void dropout_run(const Dropout<T>& d, int tile, int tile_end) {
  const bool whole = dropout_tiles(d) == 1;
  const Index end = whole ? d.cols : min(tile_end * dropout_cols, d.cols);
  for (Index c = whole ? 0 : tile * dropout_cols; c < end; c += dropout_cols) {
    drop_columns(d, c, min(c + dropout_cols, d.cols));
  }
}

}  // namespace
}  // namespace fastfa

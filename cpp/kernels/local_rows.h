// Locally connected layers whose output rows are at least a vector long: a vector holds neighbouring
// positions of one map, in the usual order of units, and nothing changes order but the weights of as
// many positions as it has lanes. Layers with short rows, padding, strides along a row or many weights a
// position have examples side by side instead (local.h).
#pragma once

#include "kernels/local.h"

namespace fastfa {
namespace {

template <class T>
bool local_by_rows(const LocalShape& s) {
  return s.stride_w == 1 && s.pad_h == 0 && s.pad_w == 0 && s.out_w >= lanes<T> && s.few_weights() &&
         s.out_w == s.width - s.kernel_w + 1 && (s.out_h - 1) * s.stride_h + s.kernel_h <= s.height;
}

// The positions of one vector: from p on, of which the first `done` belong to the vector before.
struct Span {
  Index p, done;
  Index pixel;  // where the patch of the first begins
  Index turn;   // lanes from here on are in the next row of the image,
  Index jump;   // so many pixels further
};

template <class T>
inline Span span_of(const LocalShape& s, Index p, Index count) {
  const Index done = lanes<T> - count, first = p - done;
  const Index oy = first / s.out_w, ox = first % s.out_w, turn = s.out_w - ox;
  return {first, done, oy * s.stride_h * s.width + ox, turn,
          turn < lanes<T> ? s.stride_h * s.width - s.out_w : 0};
}

// Every input of a patch: its pixel, from where the patch begins, and where the weights of all maps lie.
struct Taps {
  Index count = 0;
  std::int32_t pixel[local_few_weights], weight[local_few_weights];

  explicit Taps(const LocalShape& s) {
    for (Index c = 0; c < s.channels; ++c) {
      Index of_block = c * s.block();
      for (Index y = 0; y < s.kernel_h; ++y) {
        for (Index x = 0; x < s.kernel_w; ++x, ++count, of_block += s.maps) {
          pixel[count] = static_cast<std::int32_t>((c * s.height + y) * s.width + x);
          weight[count] = static_cast<std::int32_t>(of_block);
        }
      }
    }
  }
};

// One pixel of the patches of a span, x being that of the first. Both loads end within the image:
// whoever turns has a row below.
template <class T>
struct Reader {
  Mask<T> before;
  Index jump;

  explicit Reader(const Span& span) : jump(span.jump) {
    for (Index i = 0; i < lanes<T>; ++i) before[i] = i < span.turn ? -1 : 0;
  }
  Vec<T> operator()(const T* x) const {
    const Vec<T> row = load_unaligned(x), next = load_unaligned(x + jump);
    return before ? row : next;
  }
};

// From the rows of w to the lanes of a span and back: column c of the i-th position is lane i of row c.
// The way back calls f(i, c, the vector of columns from c on).
template <class T>
inline void weights_across(View<const T> rows, Index cols, T* to) {
  for (Index c = 0; c < cols; c += lanes<T>) {
    Vec<T> block[lanes<T>];
    for (Index i = 0; i < lanes<T>; ++i) block[i] = load(rows[i] + c);
    transpose_block<T>(block);
    for (Index i = 0; i < lanes<T>; ++i) store(to + (c + i) * lanes<T>, block[i]);
  }
}
template <class T, class F>
inline void weights_back(const T* from, Index cols, F&& f) {
  for (Index c = 0; c < cols; c += lanes<T>) {
    Vec<T> block[lanes<T>];
    for (Index i = 0; i < lanes<T>; ++i) block[i] = load(from + (c + i) * lanes<T>);
    transpose_block<T>(block);
    for (Index i = 0; i < lanes<T>; ++i) f(i, c, block[i]);
  }
}

}  // namespace
}  // namespace fastfa

// Sums over the examples of a large batch. One long chain of additions in float32 loses what comes late:
// after 3·10⁶ of them a bias' gradient was 1.8 % off. So from k_block examples on, sums are formed in
// parts: short chains of T, then chains of these, then double.
#pragma once

#include "kernels/simd.h"

namespace fastfa {
namespace {

constexpr Index short_chain = 32;           // additions one after the other
constexpr Index whole_part = 16 * k_block;  // examples whose sums are added up in T

// A vector of sums in double. It goes by reference: as a value it is too long for some calls.
template <class T>
using DoubleVec = typename Simd<T>::Doubles;
template <class T>
inline void add(DoubleVec<T>& to, Vec<T> x) {
  to += __builtin_convertvector(x, DoubleVec<T>);
}
template <class T>
inline Vec<T> rounded(const DoubleVec<T>& x) {
  return __builtin_convertvector(x, Vec<T>);
}

// Such sums in memory: to (=|+=) x, and what they are.
template <class T>
inline void add_to(double* to, Vec<T> x, bool first) {
  DoubleVec<T> sum{};
  if (!first) std::memcpy(&sum, to, sizeof sum);
  add<T>(sum, x);
  std::memcpy(to, &sum, sizeof sum);
}
template <class T>
inline Vec<T> rounded_at(const double* from) {
  DoubleVec<T> sum;
  std::memcpy(&sum, from, sizeof sum);
  return rounded<T>(sum);
}

// The sum of n vectors, which read(i) gives.
template <class T, class Read>
inline Vec<T> sum_of(Index n, Read&& read) {
  Vec<T> sum{};
  if (n <= k_block) {
    for (Index i = 0; i < n; ++i) sum += read(i);
    return sum;
  }
  DoubleVec<T> whole{};
  for (Index begin = 0; begin < n; begin += short_chain) {
    const Index end = min(begin + short_chain, n);
    Vec<T> even{}, odd{};
    Index i = begin;
    for (; i + 2 <= end; i += 2) {
      even += read(i);
      odd += read(i + 1);
    }
    if (i < end) even += read(i);
    add<T>(whole, even);
    add<T>(whole, odd);
  }
  return rounded<T>(whole);
}

// Lane i of the result is the sum over the lanes of x[i]: log₂(lanes) rounds of folding two vectors into
// one.
template <class T, int h = lanes<T> / 2>
inline Vec<T> sums_of(Vec<T>* x) {
  const auto own = lanes_from<T>([](int i) { return i & h ? lanes<T> + i : i; });
  const auto other = lanes_from<T>([](int i) { return i & h ? lanes<T> + (i ^ h) : i ^ h; });
#pragma GCC unroll 8
  for (int i = 0; i < h; ++i) {
    x[i] = shuffle<T>(x[i], x[i + h], own) + shuffle<T>(x[i], x[i + h], other);
  }
  if constexpr (h > 1) return sums_of<T, h / 2>(x);
  return x[0];
}

}  // namespace
}  // namespace fastfa

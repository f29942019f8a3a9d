// Matrices drawn from Philox streams, in double precision so that float32 and float64 networks start
// from the same numbers. put(i, value) stores element i of `count`, in order.
#pragma once

#include <cmath>

#include "fastfa/philox.h"
#include "kernels/ops.h"

namespace fastfa {

namespace detail {
// One block gives two doubles u1, u2 in [0, 1), and so two elements.
template <class Pair, class Put>
void draw(std::uint64_t seed, Purpose purpose, std::uint32_t layer, Index count, Pair&& pair,
          Put&& put) {
  for (Index i = 0; i < count; i += 2) {
    const Philox4x32 p = philox_block(seed, purpose, layer, static_cast<std::uint64_t>(i) / 2);
    double value[2];
    pair(unit_interval(p.word[0], p.word[1]), unit_interval(p.word[2], p.word[3]), value);
    put(i, value[0]);
    if (i + 1 < count) put(i + 1, value[1]);
  }
}
}  // namespace detail

// U(−scale, scale)
template <class Put>
void draw_uniform(std::uint64_t seed, Purpose purpose, std::uint32_t layer, Index count, double scale,
                  Put&& put) {
  detail::draw(
      seed, purpose, layer, count,
      [scale](double u1, double u2, double* value) {
        value[0] = scale * (2 * u1 - 1);
        value[1] = scale * (2 * u2 - 1);
      },
      put);
}

// Normal with standard deviation `scale`, by Box and Muller's transform
template <class Put>
void draw_normal(std::uint64_t seed, Purpose purpose, std::uint32_t layer, Index count, double scale,
                 Put&& put) {
  detail::draw(
      seed, purpose, layer, count,
      [scale](double u1, double u2, double* value) {
        const double r = std::sqrt(-2.0 * std::log1p(-u1));
        const double angle = 6.283185307179586476925286766559 * u2;
        value[0] = scale * (r * std::cos(angle));
        value[1] = scale * (r * std::sin(angle));
      },
      put);
}

// The same doubles one by one: element i of the stream is in [0, 1). Cheapest in order.
class UnitStream {
 public:
  UnitStream(std::uint64_t seed, Purpose purpose, std::uint32_t layer)
      : seed_(seed), purpose_(purpose), layer_(layer) {}

  double operator()(Index i) {
    if (i / 2 != block_) {
      block_ = i / 2;
      words_ = philox_block(seed_, purpose_, layer_, static_cast<std::uint64_t>(block_));
    }
    const std::uint32_t* w = words_.word + i % 2 * 2;
    return unit_interval(w[0], w[1]);
  }

 private:
  std::uint64_t seed_;
  Purpose purpose_;
  std::uint32_t layer_;
  Index block_ = -1;
  Philox4x32 words_{};
};

// Words of 32 random bits, in order.
template <class Put>
void draw_words(std::uint64_t seed, Purpose purpose, std::uint32_t layer, Index count, Put&& put) {
  Philox4x32 p{};
  for (Index i = 0; i < count; ++i) {
    if (i % 4 == 0) p = philox_block(seed, purpose, layer, static_cast<std::uint64_t>(i) / 4);
    put(i, p.word[i % 4]);
  }
}

// 0 … n−1 shuffled (Fisher and Yates, from the top).
void shuffle(std::int64_t* out, std::int64_t n, std::uint64_t seed, Purpose purpose,
             std::uint32_t layer);

}  // namespace fastfa

// Rounding to bf16, and blocks of products of rounded factors. Two factors that follow each other along
// k lie in one 32-bit word, the first in its lower half.
//
// This file is compiled up to three times: with AMX, with AVX512-BF16, and without either, where shifted
// words are multiplied as floats. All three round factors alike; sums differ in their order.
#pragma once

#include "kernels/bf16_ops.h"
#include "kernels/multiply.h"

namespace fastfa {
namespace {

using Word = std::int32_t;
using Words = Mask<float>;
using Floats = Vec<float>;
constexpr int n_lanes = lanes<float>;
constexpr Index panel_words = panel<float>;

#if defined(__AVX512BF16__)
inline Words word_pairs(Floats low, Floats high) {
  const __m512i both = (__m512i)_mm512_cvtne2ps_pbh((__m512)high, (__m512)low);
  const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8,
                                         23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
  return (Words)_mm512_permutexvar_epi16(order, both);
}
inline Words words_of(Floats first, Floats second) {
  return (Words)_mm512_cvtne2ps_pbh((__m512)second, (__m512)first);
}
inline Floats multiply_add(Floats sum, Words a, Words b) {
  return (Floats)_mm512_dpbf16_ps((__m512)sum, (__m512bh)a, (__m512bh)b);
}
#else
// To nearest, ties to even, in the upper half. Subnormal numbers become zero, a NaN stays one.
inline Words rounded(Floats x) {
  const Words bits = (Words)x, magnitude = bits & 0x7fffffff;
  Words next = bits + 0x7fff + ((bits >> 16) & 1);
  next = magnitude > 0x7f800000 ? bits | 0x400000 : next;
  next = magnitude < 0x800000 ? bits & ~0x7fffffff : next;
  return next & ~0xffff;
}
inline Words upper_down(Words x) { return (x >> 16) & 0xffff; }
// Words of (low[j], high[j]).
inline Words word_pairs(Floats low, Floats high) { return upper_down(rounded(low)) | rounded(high); }
// The numbers of two vectors in their order, two in each word.
inline Words words_of(Floats first, Floats second) {
  const auto even = lanes_from<float>([](int i) { return 2 * i; });
  const auto odd = lanes_from<float>([](int i) { return 2 * i + 1; });
  const Floats x = (Floats)rounded(first), y = (Floats)rounded(second);
  return upper_down((Words)shuffle<float>(x, y, even)) | (Words)shuffle<float>(x, y, odd);
}
inline Floats multiply_add(Floats sum, Words a, Words b) {
  sum += (Floats)(a & ~0xffff) * (Floats)(b & ~0xffff);
  return sum + (Floats)(a << 16) * (Floats)(b << 16);
}
#endif

inline Words load_words(const Word* p) { return *reinterpret_cast<const Words*>(p); }
inline void store_words(Word* p, Words x) { *reinterpret_cast<Words*>(p) = x; }

// Rows of the left factor and of their product that are formed at once, and steps along k.
constexpr Index chunk_rows = 128, chunk_k = 512;

// What a tile of a product works in.
struct Bf16Scratch {
  alignas(64) Word b[chunk_k / 2 * panel_words];
  alignas(64) float c[chunk_rows * panel_words];
};

struct Nothing {
  void operator()() const {}
};

#if defined(__AMX_BF16__)
constexpr Index depth_unit = 32;  // k is padded to a multiple of this

// Tiles 0 to 3 are sums, 4 and 5 the left factor, 6 and 7 the right one. The first six have the rows
// that share `rows` out evenly, so that the last tiles are not nearly empty.
struct Unit {
  Index tile;  // rows of a tile
  explicit Unit(Index rows) {
    const Index pairs = (rows + 31) / 32;
    tile = (rows + 2 * pairs - 1) / (2 * pairs);
    struct {
      std::uint8_t palette = 1, start_row = 0, reserved[14] = {};
      std::uint16_t row_bytes[16] = {};
      std::uint8_t rows[16] = {};
    } shape;
    for (int i = 0; i < 8; ++i) {
      shape.row_bytes[i] = 64;
      shape.rows[i] = static_cast<std::uint8_t>(i < 6 ? tile : 16);
    }
    _tile_loadconfig(&shape);
  }
  ~Unit() { _tile_release(); }
  Unit(const Unit&) = delete;
  Unit& operator=(const Unit&) = delete;

  // c (rows, panel) = or += a · b over k words, a multiple of 16. Rows of a and c beyond `rows` are
  // read and written up to a multiple of 32. Nothing is asked for ahead.
  template <class Ahead = Nothing>
  void multiply(View<const Bf16> a, Index rows, const Word* b, Index k, float* c, bool add,
                Ahead&& = {}) const {
    constexpr Index width = panel_words * sizeof(float);
    const Index left = a.ld * Index{sizeof(Bf16)};
    for (Index r = 0; r < rows; r += 2 * tile) {
      const Bf16 *a0 = a[r], *a1 = a[r + tile];
      float *c0 = c + r * panel_words, *c1 = c0 + tile * panel_words;
      if (add) {
        _tile_loadd(0, c0, width);
        _tile_loadd(1, c0 + 16, width);
        _tile_loadd(2, c1, width);
        _tile_loadd(3, c1 + 16, width);
      } else {
        _tile_zero(0);
        _tile_zero(1);
        _tile_zero(2);
        _tile_zero(3);
      }
      for (Index i = 0; i < k; i += 16) {
        _tile_loadd(4, a0 + 2 * i, left);
        _tile_loadd(6, b + i * panel_words, width);
        _tile_dpbf16ps(0, 4, 6);
        _tile_loadd(7, b + i * panel_words + 16, width);
        _tile_dpbf16ps(1, 4, 7);
        _tile_loadd(5, a1 + 2 * i, left);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
      }
      _tile_stored(0, c0, width);
      _tile_stored(1, c0 + 16, width);
      _tile_stored(2, c1, width);
      _tile_stored(3, c1 + 16, width);
    }
  }
};
#else
constexpr Index depth_unit = 2;

struct Unit {
  explicit Unit(Index) {}

  // c (rows, panel) = or += a · b over k words. ahead() is called once for each word.
  template <class Ahead = Nothing>
  void multiply(View<const Bf16> a, Index rows, const Word* b, Index k, float* c, bool add,
                Ahead&& ahead = {}) const {
    const Index ld = a.ld / 2;
    for_row_tiles(rows, [&](Index r, auto height) {
      constexpr int M = decltype(height)::value;
      const Word* const left = reinterpret_cast<const Word*>(a[r]);
      if (r == 0) return block<M>(left, ld, b, k, c, add, ahead);
      block<M>(left, ld, b, k, c + r * panel_words, add, Nothing{});
    });
  }

 private:
  // Rows of a by one pointer for every three, as in accumulate().
  template <int M, class Ahead>
  static void block(const Word* left, Index ld, const Word* b, Index k, float* c, bool add,
                    Ahead&& ahead) {
    constexpr int groups = (M + 2) / 3;
    const Word* a[groups];
    for (int g = 0; g < groups; ++g) a[g] = left + 3 * g * ld;
    Floats sum[M][tile_vecs];
    for (int m = 0; m < M; ++m) {
      for (int v = 0; v < tile_vecs; ++v) {
        sum[m][v] = add ? load(c + m * panel_words + v * n_lanes) : Floats{};
      }
    }
    for (Index i = 0; i < k; ++i, b += panel_words) {
      ahead();
      Words row[tile_vecs];
      for (int v = 0; v < tile_vecs; ++v) row[v] = load_words(b + v * n_lanes);
#pragma GCC unroll 16
      for (int m = 0; m < M; ++m) {
        const Words scalar = Words{} + a[m / 3][(m % 3) * ld];
#pragma GCC unroll 16
        for (int v = 0; v < tile_vecs; ++v) sum[m][v] = multiply_add(sum[m][v], scalar, row[v]);
      }
#pragma GCC unroll 8
      for (int g = 0; g < groups; ++g) ++a[g];
    }
    for (int m = 0; m < M; ++m) {
      for (int v = 0; v < tile_vecs; ++v) store(c + m * panel_words + v * n_lanes, sum[m][v]);
    }
  }
};
#endif

}  // namespace
}  // namespace fastfa

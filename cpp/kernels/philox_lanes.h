// Philox4x32-10 in vectors: `lanes<T>` blocks at once, those of counters (first, high), (first + 1,
// high), … The 32-bit words of the state lie in the low halves of 64-bit lanes, where the multiplier
// wants them; what gathers in the high halves is never used.
#pragma once

#include "fastfa/philox.h"
#include "kernels/simd.h"

namespace fastfa {
namespace {

typedef std::uint64_t Wide __attribute__((vector_size(FASTFA_VECTOR_BYTES)));
constexpr int wide_lanes = FASTFA_VECTOR_BYTES / 8;

// The products of the low halves, 64 bits each.
inline Wide multiply_low(Wide a, Wide b) {
#if defined(__AVX512F__) && FASTFA_VECTOR_BYTES == 64
  return (Wide)_mm512_mul_epu32((__m512i)a, (__m512i)b);
#elif defined(__AVX2__) && FASTFA_VECTOR_BYTES == 32
  return (Wide)_mm256_mul_epu32((__m256i)a, (__m256i)b);
#elif defined(__SSE2__) && FASTFA_VECTOR_BYTES == 16
  return (Wide)_mm_mul_epu32((__m128i)a, (__m128i)b);
#else
  return (a & 0xffffffffu) * (b & 0xffffffffu);
#endif
}

struct PhiloxStream {
  std::uint64_t seed;
  std::uint32_t purpose, layer;
};

// R registers of blocks at once, so that their long chains of multiplications overlap.
template <int R>
inline void philox_rounds(Wide (&c)[4][R], std::uint64_t seed) {
  const Wide m0 = Wide{} + 0xD2511F53u, m1 = Wide{} + 0xCD9E8D57u;
  auto key0 = static_cast<std::uint32_t>(seed), key1 = static_cast<std::uint32_t>(seed >> 32);
#pragma GCC unroll 10
  for (int round = 0; round < 10; ++round) {
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const Wide p0 = multiply_low(c[0][r], m0), p1 = multiply_low(c[2][r], m1);
      c[0][r] = (p1 >> 32) ^ c[1][r] ^ (Wide{} + key0);
      c[1][r] = p1;
      c[2][r] = (p0 >> 32) ^ c[3][r] ^ (Wide{} + key1);
      c[3][r] = p0;
    }
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
}

// words[v][w]: word w of blocks first + v · lanes<T> …, in lanes as wide as T's, unsigned in their low
// 32 bits.
template <class T, int V>
inline void philox_lanes(const PhiloxStream& stream, std::uint32_t first, std::uint32_t high,
                         Mask<T> (&words)[V][4]) {
  constexpr int R =
      8 / static_cast<int>(sizeof(T));  // registers of a vector: even and odd lanes for float
  Wide c[4][V * R];
  for (int r = 0; r < V * R; ++r) {
    Wide lane;
    for (int i = 0; i < wide_lanes; ++i) {
      lane[i] = static_cast<std::uint64_t>(r / R * lanes<T> + i * R + r % R);
    }
    c[0][r] = lane + first;
    c[1][r] = Wide{} + high;
    c[2][r] = Wide{} + stream.purpose;
    c[3][r] = Wide{} + stream.layer;
  }
  philox_rounds<V * R>(c, stream.seed);
  for (int v = 0; v < V; ++v) {
    for (int w = 0; w < 4; ++w) {
      Wide word = c[w][v * R] & 0xffffffffu;
      if constexpr (R == 2) word |= c[w][v * R + 1] << 32;
      words[v][w] = (Mask<T>)word;
    }
  }
}

// (word + ½) / 2³² in (0, 1)
template <class T>
inline Vec<T> unit_lanes(Mask<T> word) {
  if constexpr (sizeof(T) == 4) {
    // The top bit apart: signed integers are what every instruction set can convert.
    const Vec<T> low = __builtin_convertvector(word & 0x7fffffff, Vec<T>);
    return ((word < 0 ? low + T(2147483648.0) : low) + T(0.5)) * T(1.0 / 4294967296.0);
  } else {
    return (__builtin_convertvector(word, Vec<T>) + T(0.5)) * T(1.0 / 4294967296.0);
  }
}

// Byte i (0: lowest) of the word as a signed integer, times byte_unit<T>: left where it costs least.
template <class T>
constexpr T byte_unit = sizeof(T) == 4 ? T(16777216) : T(72057594037927936);  // 2²⁴, 2⁵⁶
template <class T>
inline Vec<T> signed_byte(Mask<T> word, int i) {
  constexpr int top = 8 * static_cast<int>(sizeof(T)) - 8;
  const Mask<T> keep = Mask<T>{} - 1;
  return __builtin_convertvector((word << (top - 8 * i)) & (keep << top), Vec<T>);
}

}  // namespace
}  // namespace fastfa

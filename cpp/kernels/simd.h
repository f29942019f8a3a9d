// Vectors of the instruction set this file is compiled for. Everything in the kernel library lives in an
// anonymous namespace: the same names exist in the libraries of the other levels.
#pragma once

#include <cstdint>
#include <cstring>
#include <utility>

#include "kernels/ops.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#ifndef FASTFA_VECTOR_BYTES
#error "FASTFA_VECTOR_BYTES (16, 32 or 64) comes from the build"
#endif

namespace fastfa {
namespace {

template <class T>
struct Simd;
template <>
struct Simd<float> {
  typedef float Vec __attribute__((vector_size(FASTFA_VECTOR_BYTES)));
  typedef std::int32_t Mask __attribute__((vector_size(FASTFA_VECTOR_BYTES)));
  typedef double Doubles __attribute__((vector_size(2 * FASTFA_VECTOR_BYTES)));  // as many lanes
};
template <>
struct Simd<double> {
  typedef double Vec __attribute__((vector_size(FASTFA_VECTOR_BYTES)));
  typedef std::int64_t Mask __attribute__((vector_size(FASTFA_VECTOR_BYTES)));
  typedef Vec Doubles;
};

template <class T>
using Vec = typename Simd<T>::Vec;
template <class T>
using Mask = typename Simd<T>::Mask;
template <class T>
constexpr int lanes = FASTFA_VECTOR_BYTES / static_cast<int>(sizeof(T));

// Rows start on 64 bytes and columns are taken in whole vectors, so loads and stores are aligned.
template <class T>
inline Vec<T> load(const T* p) {
  return *reinterpret_cast<const Vec<T>*>(p);
}
template <class T>
inline void store(T* p, Vec<T> v) {
  *reinterpret_cast<Vec<T>*>(p) = v;
}

// The first `count` elements at any address; the rest of the vector is zero, or isn't stored.
template <class T>
inline Vec<T> load_unaligned(const T* p, Index count = lanes<T>) {
  Vec<T> v{};
  if (count >= lanes<T>) {
    std::memcpy(&v, p, sizeof v);
  } else {
    std::memcpy(&v, p, static_cast<std::size_t>(count) * sizeof(T));
  }
  return v;
}
template <class T>
inline void store_unaligned(T* p, Vec<T> v, Index count) {
  if (count >= lanes<T>) {
    std::memcpy(p, &v, sizeof v);
  } else {
    std::memcpy(p, &v, static_cast<std::size_t>(count) * sizeof(T));
  }
}

// Some elements at any address, as load_unaligned and store_unaligned, but quick for parts of a vector.
template <class T>
inline Vec<T> load_some(const T* p, Index count) {
#if defined(__AVX512F__) && FASTFA_VECTOR_BYTES == 64
  if (count < lanes<T>) {
    const auto mask = static_cast<__mmask16>((1u << count) - 1);
    if constexpr (sizeof(T) == 4) return (Vec<T>)_mm512_maskz_loadu_ps(mask, p);
    if constexpr (sizeof(T) == 8) return (Vec<T>)_mm512_maskz_loadu_pd(static_cast<__mmask8>(mask), p);
  }
#endif
  return load_unaligned(p, count);
}
template <class T>
inline void store_some(T* p, Vec<T> v, Index count) {
#if defined(__AVX512F__) && FASTFA_VECTOR_BYTES == 64
  if (count < lanes<T>) {
    const auto mask = static_cast<__mmask16>((1u << count) - 1);
    if constexpr (sizeof(T) == 4) _mm512_mask_storeu_ps(p, mask, (__m512)v);
    if constexpr (sizeof(T) == 8) _mm512_mask_storeu_pd(p, static_cast<__mmask8>(mask), (__m512d)v);
    return;
  }
#endif
  store_unaligned(p, v, count);
}
// A vector at p, of which `room` elements may be read; beyond them it is zero.
template <class T>
inline Vec<T> load_within(const T* p, Index room) {
  return room > 0 ? load_some(p, room) : Vec<T>{};
}

// For shuffle: which lane each lane takes, from(0), from(1) … of a lambda that captures nothing. GCC
// takes a vector of them, Clang only constants, for which the lambda is kept.
template <class T, class From>
__attribute__((always_inline)) inline auto lanes_from(From from) {
#if defined(__clang__)
  return from;
#else
  Mask<T> lane;
  for (int i = 0; i < lanes<T>; ++i) lane[i] = from(i);
  return lane;
#endif
}

// Lane i of the result is lane from(i) of a, or, from lanes<T> on, of b.
#if defined(__clang__)
template <class T, class From, int... i>
inline Vec<T> shuffle(Vec<T> a, Vec<T> b, From from, std::integer_sequence<int, i...>) {
  return __builtin_shufflevector(a, b, from(i)...);
}
template <class T, class From>
inline Vec<T> shuffle(Vec<T> a, Vec<T> b, From from) {
  return shuffle<T>(a, b, from, std::make_integer_sequence<int, lanes<T>>());
}
#else
template <class T>
inline Vec<T> shuffle(Vec<T> a, Vec<T> b, Mask<T> from) {
  return __builtin_shuffle(a, b, from);
}
#endif
template <class T, class From>
inline Vec<T> shuffle(Vec<T> a, From from) {
  return shuffle<T>(a, a, from);
}

inline constexpr Index round_up(Index n, Index m) { return (n + m - 1) / m * m; }
inline constexpr Index min(Index a, Index b) { return a < b ? a : b; }
inline constexpr Index max(Index a, Index b) { return a > b ? a : b; }

// True when every value of v lies within ±value_limit; a NaN never does.
template <class T>
inline Mask<T> within_limit(Vec<T> v) {
  return (v < value_limit<T>)&(v > -value_limit<T>);
}
template <class T>
inline bool all(Mask<T> m) {
#if defined(__AVX512DQ__) && FASTFA_VECTOR_BYTES == 64
  if constexpr (sizeof(T) == 4) return _mm512_movepi32_mask((__m512i)m) == 0xffff;
  return _mm512_movepi64_mask((__m512i)m) == 0xff;
#elif defined(__AVX__) && FASTFA_VECTOR_BYTES == 32
  if constexpr (sizeof(T) == 4) return _mm256_movemask_ps((__m256)m) == 0xff;
  return _mm256_movemask_pd((__m256d)m) == 0xf;
#elif defined(__x86_64__) && FASTFA_VECTOR_BYTES == 16
  if constexpr (sizeof(T) == 4) return _mm_movemask_ps((__m128)m) == 0xf;
  return _mm_movemask_pd((__m128d)m) == 0x3;
#else
  for (int i = 0; i < lanes<T>; ++i) {
    if (!m[i]) return false;
  }
  return true;
#endif
}

// True in the lanes whose bit is set, lane 0 the lowest.
template <class T>
inline Mask<T> bits_of(std::uint32_t bits) {
  Mask<T> lane_bit;
  for (int i = 0; i < lanes<T>; ++i) lane_bit[i] = Index{1} << i;
  return ((Mask<T>{} + static_cast<std::int32_t>(bits)) & lane_bit) != 0;
}

// Several threads may report at once.
inline void report(int* bad) { __atomic_store_n(bad, 1, __ATOMIC_RELAXED); }

// Work too small to be worth waking another thread for: one tile, done by the caller.
inline bool tiny(Index rows, Index cols, Index depth) { return rows * cols * depth < 131072; }

}  // namespace
}  // namespace fastfa

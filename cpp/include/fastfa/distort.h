// Elastic distortions of images, after Simard, Steinkraus & Platt (ICDAR 2003), with small rotations,
// scalings and translations: more training examples from the ones there are.
#pragma once

#include <cstdint>

#include "fastfa/export.h"

namespace fastfa {

// Output pixel p shows what the input has at c + R(θ)⁻¹ (p − c − t) / s + α (g_σ ∗ u)(p), between pixels
// bilinearly; c is the centre, u two fields of U(−1, 1), one for each direction, g_σ a Gaussian, and all
// is zero outside.
struct Distortion {
  std::int64_t height = 0, width = 0;
  double alpha = 0.0, sigma = 1.0;  // pixels
  double translate = 0.0;           // t ~ U(−translate, translate), pixels, in both directions
  double rotate = 0.0;              // θ ~ U(−rotate, rotate), degrees
  double scale = 0.0;               // s ~ U(1 − scale, 1 + scale)
  double fill = 0.0;                // what lies outside the image
};

// x, out (n, channels · height · width); image i of the call is number first + i of its stream (seed,
// epoch). All channels of an image move alike. Throws std::invalid_argument.
template <class T>
FASTFA_API void distort(const T* x, T* out, std::int64_t n, std::int64_t channels, std::int64_t first,
                        const Distortion& how, std::uint64_t seed, std::uint32_t epoch);

}  // namespace fastfa

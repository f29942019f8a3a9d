// Philox4x32-10, the counter-based generator of Salmon, Moraes, Dror and Shaw (SC 2011).
//
// A value depends only on (seed, purpose, layer, index): never on threads, on the device, or on what
// else was drawn. key = seed; counter = (index low, index high, purpose, layer).
#pragma once

#include <cstdint>

namespace fastfa {

enum class Purpose : std::uint32_t {
  weights = 1,
  feedback = 2,
  shuffle = 3,
  mask = 4,       // which weights exist
  structure = 5,  // which elements of B exist, and the places of a Hadamard matrix's sources
  signs = 6,      // of a Hadamard matrix
  redraw = 7,     // |B| of every batch
  mirror = 8,
  perturbation = 9,
  dropout = 10,
  distortion = 11,
  recurrent = 12,          // W of a recurrent layer
  recurrent_feedback = 13  // B_rec
};

// What is drawn anew at every step has the step where others have the layer, and the layer here.
constexpr std::uint32_t purpose_word(Purpose purpose, std::uint32_t layer) {
  return static_cast<std::uint32_t>(purpose) | layer << 8;
}

struct Philox4x32 {
  std::uint32_t word[4];
};

constexpr Philox4x32 philox4x32(Philox4x32 counter, std::uint32_t key0, std::uint32_t key1) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t{0xD2511F53u} * counter.word[0];
    const std::uint64_t p1 = std::uint64_t{0xCD9E8D57u} * counter.word[2];
    counter = {
        {static_cast<std::uint32_t>(p1 >> 32) ^ counter.word[1] ^ key0, static_cast<std::uint32_t>(p1),
         static_cast<std::uint32_t>(p0 >> 32) ^ counter.word[3] ^ key1, static_cast<std::uint32_t>(p0)}};
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  return counter;
}

// The `block`-th four words of the stream (seed, purpose, layer).
constexpr Philox4x32 philox_block(std::uint64_t seed, Purpose purpose, std::uint32_t layer,
                                  std::uint64_t block) {
  return philox4x32({{static_cast<std::uint32_t>(block), static_cast<std::uint32_t>(block >> 32),
                      static_cast<std::uint32_t>(purpose), layer}},
                    static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32));
}

// Two words to a double in [0, 1) with 53 random bits.
inline double unit_interval(std::uint32_t high, std::uint32_t low) {
  return (static_cast<double>(high >> 5) * 67108864.0 + static_cast<double>(low >> 6)) /
         9007199254740992.0;
}

}  // namespace fastfa

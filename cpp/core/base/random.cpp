#include "core/base/random.h"

#include <stdexcept>
#include <string>
#include <utility>

#include "fastfa/runtime.h"

namespace fastfa {

void shuffle(std::int64_t* out, std::int64_t n, std::uint64_t seed, Purpose purpose,
             std::uint32_t layer) {
  __extension__ using Wide = unsigned __int128;
  for (std::int64_t i = 0; i < n; ++i) out[i] = i;
  Philox4x32 p{};
  for (std::int64_t i = n - 1, k = 0; i > 0; --i, ++k) {
    if (k % 2 == 0) p = philox_block(seed, purpose, layer, static_cast<std::uint64_t>(k) / 2);
    const std::uint32_t* w = p.word + (k % 2) * 2;
    const std::uint64_t draw = w[0] | static_cast<std::uint64_t>(w[1]) << 32;
    const auto j = static_cast<std::int64_t>((Wide{draw} * static_cast<std::uint64_t>(i + 1)) >> 64);
    std::swap(out[i], out[j]);
  }
}

void permutation(std::int64_t* out, std::int64_t n, std::uint64_t seed, std::uint32_t epoch) {
  if (n < 0) {
    throw std::invalid_argument("[permutation] n was " + std::to_string(n) +
                                "; it must not be negative");
  }
  shuffle(out, n, seed, Purpose::shuffle, epoch);
}

}  // namespace fastfa

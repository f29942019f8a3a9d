// Sizes are the caller's, and a product of them may be more than 64 bits hold: all are multiplied here.
#pragma once

#include <cstdio>
#include <initializer_list>
#include <new>
#include <stdexcept>
#include <string>
#include <utility>

#include "kernels/ops.h"

namespace fastfa {

constexpr Index largest = Index{1} << 31;  // of a layer: kernels count columns in 32 bits

// So many numbers of 8 bytes are more than any machine can address, and their bytes can be counted.
constexpr Index most_numbers = Index{1} << 59;

// The product of sizes; −1 if one is negative, or if it is more than most_numbers.
inline Index size_product_or_less(std::initializer_list<Index> sizes) {
  Index all = 1;
  bool none = false, too_many = false;
  for (const Index size : sizes) {
    none = none || size == 0;
    too_many = too_many || size < 0 || __builtin_mul_overflow(all, size, &all) || all > most_numbers;
    if (too_many) all = 1;
  }
  return none ? 0 : too_many ? -1 : all;
}

// The same, or std::invalid_argument: `what` says whose sizes they are.
inline Index size_product(const std::string& what, std::initializer_list<Index> sizes) {
  const Index all = size_product_or_less(sizes);
  if (all >= 0) return all;
  std::string factors;
  for (const Index size : sizes) factors += (factors.empty() ? "" : " × ") + std::to_string(size);
  throw std::invalid_argument(what + " " + factors + " numbers; it must be from 0 to 2^59");
}

// Thrown where there is not enough memory. what() says for what.
class NoMemory : public std::bad_alloc {
 public:
  explicit NoMemory(std::string what) : what_(std::move(what)) {}
  const char* what() const noexcept override { return what_.c_str(); }

 private:
  std::string what_;
};

// make(), which asks for about that many bytes. If there is no room, the error says for what().
template <class What, class Make>
auto with_room(What&& what, double bytes, Make&& make) {
  try {
    return make();
  } catch (const std::bad_alloc&) {
    char number[64];
    std::snprintf(number, sizeof number, "%.0f", bytes);
    throw NoMemory(what() + " takes about " + number + " bytes; there is not so much memory");
  }
}

}  // namespace fastfa

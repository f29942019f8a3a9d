// Error messages: refusing an argument, and numbers in the text.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>

#include "kernels/ops.h"

namespace fastfa {

// The message names the argument, what it was, and what it must be.
[[noreturn]] inline void refuse(const std::string& message) { throw std::invalid_argument(message); }

inline std::string text(double number) {
  std::ostringstream out;
  out << number;
  return out.str();
}

// The largest magnitude that training allows, as "1e+14 for float32".
template <class T>
std::string limit_text() {
  return text(value_limit<T>) + " for " + (sizeof(T) == 4 ? "float32" : "float64");
}

}  // namespace fastfa

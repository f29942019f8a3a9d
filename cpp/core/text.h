// Numbers in error messages.
#pragma once

#include <sstream>
#include <string>

#include "kernels/ops.h"

namespace fastfa {

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

// A network behind the C interface, of either dtype, and the caller's memory as the core sees it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "capi/guard.h"
#include "core/base/messages.h"
#include "fastfa/network.h"

struct fastfa_network {
  // One of the two.
  std::unique_ptr<fastfa::Network<float>> f32;
  std::unique_ptr<fastfa::Network<double>> f64;
};

namespace fastfa {

// Calls f(network) with whichever it is, and lets nothing out but a status.
template <class F>
fastfa_status with(fastfa_network* net, F&& f) noexcept {
  return guarded([&] {
    if (!net) refuse("[fastfa] the network was null; it must be one of fastfa_network_create");
    net->f32 ? f(*net->f32) : f(*net->f64);
  });
}

template <class T>
constexpr std::int32_t dtype_of = sizeof(T) == 4 ? FASTFA_FLOAT32 : FASTFA_FLOAT64;

template <class T>
void check_dtype(const char* name, std::int32_t dtype) {
  if (dtype == dtype_of<T>) return;
  refuse(std::string("[fastfa] ") + name + " has dtype " + std::to_string(dtype) +
         "; the network's is " + std::to_string(dtype_of<T>) + " (0: float32, 1: float64)");
}

inline void check_not_null(const char* name, const void* pointer) {
  if (!pointer) refuse(std::string("[fastfa] ") + name + " was null; it must be memory of the caller's");
}

// Numbers may lie at multiples of their size alone: elsewhere, some processors don't read them.
template <class T>
void check_aligned(const char* name, const void* pointer) {
  const auto off = reinterpret_cast<std::uintptr_t>(pointer) % alignof(T);
  if (off == 0) return;
  refuse(std::string("[fastfa] ") + name + " was at an address " + std::to_string(off) +
         " bytes beyond a multiple of " + std::to_string(alignof(T)) + "; it must be at a multiple");
}

// Shapes are checked by the core; what has none there, here.
template <class T>
MatrixView<const T> read(const char* name, const fastfa_view& v) {
  check_not_null(name, v.data);
  check_dtype<T>(name, v.dtype);
  check_aligned<T>(name, v.data);
  if (v.rows < 1 || v.cols < 1) {
    refuse(std::string("[fastfa] ") + name + " has shape (" + std::to_string(v.rows) + ", " +
           std::to_string(v.cols) + "); both must be positive");
  }
  return {static_cast<const T*>(v.data), v.rows, v.cols, v.row_stride, v.col_stride};
}

template <class T>
MatrixView<T> write(const char* name, const fastfa_matrix& m, std::int64_t rows, std::int64_t cols) {
  check_not_null(name, m.data);
  check_dtype<T>(name, m.dtype);
  check_aligned<T>(name, m.data);
  if (m.rows != rows || m.cols != cols) {
    refuse(std::string("[fastfa] ") + name + " has shape (" + std::to_string(m.rows) + ", " +
           std::to_string(m.cols) + "); it must be (" + std::to_string(rows) + ", " +
           std::to_string(cols) + ")");
  }
  return {static_cast<T*>(m.data), m.rows, m.cols, m.row_stride, m.col_stride};
}

// `count` things of which this is number i.
inline int checked_index(const char* name, std::int64_t i, std::int64_t count) {
  if (i < 0 || i >= count) {
    refuse(std::string("[fastfa] ") + name + " was " + std::to_string(i) + "; it must be in [0, " +
           std::to_string(count - 1) + "]");
  }
  return static_cast<int>(i);
}

}  // namespace fastfa

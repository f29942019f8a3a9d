// What a library of device kernels exports as `fastfa_device`.
#pragma once

#include <cstdint>

#include "core/machine/backend.h"

namespace fastfa {

// Of what both sides are compiled from: raise the 7 with a change of backend.h, as kernel_abi with one
// of ops.h.
constexpr std::uint32_t device_abi = 1000 * kernel_abi + 7;

struct DeviceModule {
  std::uint32_t abi;  // device_abi
  // Throw std::runtime_error saying what is missing, or what failed.
  Backend<float>* (*make_f32)(int ordinal);
  Backend<double>* (*make_f64)(int ordinal);
};

}  // namespace fastfa

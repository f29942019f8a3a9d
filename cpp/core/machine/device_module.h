// What a library of device kernels exports as `fastfa_device`.
#pragma once

#include <cstdint>

#include "core/machine/backend.h"

namespace fastfa {

// The version of what both sides are compiled from. Raise the 3 when backend.h or replay_state.h
// changes, kernel_abi when ops.h does.
constexpr std::uint32_t device_abi = 1000 * kernel_abi + 3;

struct DeviceModule {
  std::uint32_t abi;  // device_abi
  // Throw std::runtime_error saying what is missing, or what failed.
  Backend<float>* (*make_f32)(int ordinal);
  Backend<double>* (*make_f64)(int ordinal);
};

}  // namespace fastfa

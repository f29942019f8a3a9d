// What a library of device kernels exports as `fastfa_device`.
#pragma once

#include <cstdint>

#include "core/backend.h"

namespace fastfa {

struct DeviceModule {
  std::uint32_t abi;  // kernel_abi
  // Throw std::runtime_error saying what is missing, or what failed.
  Backend<float>* (*make_f32)(int ordinal);
  Backend<double>* (*make_f64)(int ordinal);
};

}  // namespace fastfa

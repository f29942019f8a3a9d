// Process-wide matters: threads, instruction set, build.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "fastfa/export.h"

namespace fastfa {

FASTFA_API const char* version();
FASTFA_API void set_num_threads(int n);  // throws std::invalid_argument below 1 or above 1024
FASTFA_API int get_num_threads();

struct BuildInfo {
  std::string isa;                          // level in use: v2, v3, v4 or portable
  std::vector<std::string> isa_available;   // levels that are built and that this processor has
  std::string bf16;                         // how bf16 products are done: amx, avx512_bf16, emulated
  std::vector<std::string> bf16_available;  // ways that are built and that this processor has
  std::string eigen;
  std::string compiler;
  std::string cuda;  // version of the toolkit and targets; empty: built without CUDA
};
// Loads the kernels if that has not happened; throws std::runtime_error if FASTFA_ISA asks for a level
// that is not available.
FASTFA_API BuildInfo build_info();

// Philox shuffle of 0 … n−1 for one epoch (Fisher–Yates from the top).
FASTFA_API void permutation(std::int64_t* out, std::int64_t n, std::uint64_t seed, std::uint32_t epoch);

}  // namespace fastfa

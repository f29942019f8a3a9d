// Finds the kernel library for this processor.
#pragma once

#include "kernels/kernel_table.h"

namespace fastfa {

// Loads it on first use. Throws std::runtime_error if none fits or FASTFA_ISA asks for one that doesn't.
const KernelTable& kernels();

// The products in bf16 that this processor does best, or those that FASTFA_BF16 asks for. Throws
// std::runtime_error if that has other values than its ways, or one that isn't to be had here.
const Bf16Set& bf16_products();

}  // namespace fastfa

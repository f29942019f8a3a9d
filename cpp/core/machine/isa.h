// Finds the kernel library for this processor.
#pragma once

#include "kernels/kernel_table.h"

namespace fastfa {

// Loads it on first use. Throws std::runtime_error if none fits or FASTFA_ISA asks for one that doesn't.
const KernelTable& kernels();

}  // namespace fastfa

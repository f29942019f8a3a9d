// The kernels of bf16 products, compiled once for each way of computing them. They have external
// linkage; the version script keeps them in this library.
#pragma once

#include "kernels/bf16_ops.h"

namespace fastfa {

extern const Bf16Set bf16_amx, bf16_avx512_bf16, bf16_emulated;

}  // namespace fastfa

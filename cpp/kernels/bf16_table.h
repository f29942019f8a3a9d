// The kernels of bf16 products, compiled once for each way of computing them. They have external
// linkage; the version script keeps them in this library.
#pragma once

#include "kernels/bf16_ops.h"

// Which way this file is compiled for, as a text and behind a name.
#define FASTFA_TEXT_(x) #x
#define FASTFA_TEXT(x) FASTFA_TEXT_(x)
#define FASTFA_JOINED_(x, y) x##y
#define FASTFA_JOINED(x, y) FASTFA_JOINED_(x, y)

namespace fastfa {

extern const Bf16Set bf16_amx, bf16_avx512_bf16, bf16_emulated;
extern const Bf16ConvSet bf16_conv_amx, bf16_conv_avx512_bf16, bf16_conv_emulated;

}  // namespace fastfa

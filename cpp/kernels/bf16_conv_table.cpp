// Convolutions with factors rounded to bf16: compiled as bf16_table.cpp is.
#include "kernels/bf16_conv_gradient.h"
#include "kernels/bf16_table.h"

namespace fastfa {

const Bf16ConvSet FASTFA_JOINED(bf16_conv_, FASTFA_BF16_WAY) = {
    {conv_weights_tiles, conv_weights_run, nullptr},
    {conv_forward_tiles, conv_forward_run, nullptr},
    {conv_turn_tiles, conv_turn_run, nullptr},
    {conv_back_tiles, conv_back_run, nullptr},
    {conv_gradient_tiles, conv_gradient_run, nullptr}};

}  // namespace fastfa

// The kernels of convolutions and pooling. They have external linkage; the version script keeps them in
// this library.
#pragma once

#include "kernels/kernel_table.h"

namespace fastfa {

extern const ConvSet<float> conv_f32;
extern const ConvSet<double> conv_f64;

}  // namespace fastfa

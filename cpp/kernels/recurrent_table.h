// The kernels of recurrent layers. They have external linkage; the version script keeps them in this
// library.
#pragma once

#include "kernels/kernel_table.h"

namespace fastfa {

extern const RecurrentSet<float> recurrent_f32;
extern const RecurrentSet<double> recurrent_f64;

}  // namespace fastfa

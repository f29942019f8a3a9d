// See LinearAlgebra in kernel_table.h. These two have external linkage; the version script keeps them in
// this library.
#pragma once

#include "kernels/kernel_table.h"

namespace fastfa {

void pseudoinverse(const double* w, Index rows, Index cols, double* out);
void orthonormalise(double* g, Index rows, Index cols);

}  // namespace fastfa

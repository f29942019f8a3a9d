// How steep the units of a network are before it has learned anything.
#pragma once

#include <vector>

#include "fastfa/types.h"

namespace fastfa {

// E[σ′(a)²] of a unit of each layer, with a ~ N(0, v). v is what random weights of this size give:
// inputs of a unit · Var(W) · E[h²] of the layer below, from inputs x with E[x²] = 1, without dropout.
std::vector<double> expected_slopes(const std::vector<LayerSpec>& layers, std::int64_t inputs);

}  // namespace fastfa

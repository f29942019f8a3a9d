// Checks that throw std::invalid_argument naming the argument, what it was, and what it must be.
#pragma once

#include "core/base/messages.h"
#include "core/base/sizes.h"
#include "fastfa/types.h"

namespace fastfa {

template <class T>
void check_spec(const NetworkSpec& spec);
// A weight for each of the examples order[0 … n), or, without an order, of 0 … n − 1; null: none.
template <class T>
void check_weights(const char* call, const T* sample_weight, const Index* order, Index n);

}  // namespace fastfa

// Layers whose units see patches of an image (local, convolution, pooling): their sizes, checked and
// worked out.
#pragma once

#include <string>

#include "fastfa/types.h"
#include "kernels/local_ops.h"

namespace fastfa {

// As their kernels take them.
LocalShape geometry(const LocalSpec& spec);

// Throws std::invalid_argument, which begins with `where`, if there is no such layer above n_in inputs.
LocalShape check_geometry(const LayerSpec& layer, std::int64_t n_in, const std::string& where);

}  // namespace fastfa

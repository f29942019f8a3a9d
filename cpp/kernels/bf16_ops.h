// Operations whose products have factors rounded to bf16 and float32 sums: the argument packs, and what
// each way of computing them exports.
//
// The left factor of a product is rounded before it, into memory of the caller: rows of the product, k
// contiguous. The right one is W, B or δ where it lies, which is rounded panel by panel in the product
// itself.
#pragma once

#include "kernels/conv_ops.h"
#include "kernels/kernel_op.h"
#include "kernels/ops.h"

namespace fastfa {

using Bf16 = std::uint16_t;  // the upper half of a float

// Products of fewer examples, inputs or outputs than this are formed in float32.
constexpr Index bf16_least = 32;

// Left factors (rows, k): the distance of rows, which is no multiple of a page, and the elements, some
// rows more than there are, for tiles are read whole.
constexpr Index bf16_padded(Index n) { return (n + 31) / 32 * 32; }
constexpr Index bf16_ld(Index k) { return bf16_padded(k) + 32; }
constexpr Index bf16_size(Index rows, Index k) { return (bf16_padded(rows) + 32) * bf16_ld(k); }

// The columns of x (n, cols) that are in `ranges`, one after the other, rounded: as they are, to is (n,
// columns); across, (columns, n). What pads k to a multiple of 32 is zero.
template <class T>
struct RoundFactor {
  View<const T> x;
  Index n;
  Ranges ranges;
  bool across;
  View<Bf16> to;
};

// An operation, and its left factor.
template <class Args>
struct WithBf16 {
  Args of;
  View<const Bf16> a;
};

// The operations of a convolution. They do what those of ConvSet (kernel_table.h) do. Their scratch has
// another size (bf16_conv_layout.h).
struct Bf16ConvSet {
  Op<ConvForward<float>> weights, forward;
  Op<ConvBack<float>> turn, back;
  Op<ConvUpdate<float>> gradient;
};

struct Bf16Set {
  const char* how;  // "amx", "avx512_bf16", "emulated"
  Op<RoundFactor<float>> round_factor;
  Op<WithBf16<DenseForward<float>>> dense_forward;
  Op<WithBf16<Propagate<float>>> propagate;
  Op<WithBf16<PropagateSign<float>>> propagate_sign;
  Op<WithBf16<PropagateBits<float>>> propagate_bits;
  Op<WithBf16<PropagatePairs<float>>> propagate_pairs;
  Op<WithBf16<PropagateProcedural<float>>> propagate_procedural;
  Op<WithBf16<DenseUpdate<float>>> dense_update;
  const Bf16ConvSet* conv;
};

}  // namespace fastfa

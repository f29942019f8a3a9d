// What a library of kernels, one for each instruction set, has for the core.
#pragma once

#include "kernels/bf16_ops.h"
#include "kernels/conv_ops.h"
#include "kernels/ops.h"
#include "kernels/recurrent_ops.h"
#include "kernels/tiny_ops.h"

namespace fastfa {

template <class T>
struct KernelSet {
  Op<Gather<T>> gather;
  Op<DenseForward<T>> dense_forward;
  Op<Output<T>> output;
  Op<Propagate<T>> propagate;
  Op<PropagateSign<T>> propagate_sign;
  Op<PropagateBits<T>> propagate_bits;
  Op<PropagatePairs<T>> propagate_pairs;
  Op<PropagateProcedural<T>> propagate_procedural;
  Op<PropagateSparse<T>> propagate_sparse;
  Op<PropagateHadamard<T>> propagate_hadamard;
  Op<TimesSlope<T>> times_slope;
  Op<Activate<T>> activate;
  Op<ApplyGradient<T>> apply_gradient;
  Op<Transpose<T>> transpose;
  Op<Draw<T>> draw;
  Op<Dropout<T>> dropout;
  Op<RowDots<T>> row_dots;
  Op<DenseUpdate<T>> dense_update;
  Op<DenseOnline<T>> dense_online;
  Op<LocalForward<T>> local_forward;
  Op<LocalBack<T>> local_back;
  Op<LocalUpdate<T>> local_update;
  bool (*local_by_rows)(
      const LocalShape&);  // true: local layers of this shape need no transposed copies of h and δ
  void (*tiny_run)(const TinyRun<T>&);
  bool (*tiny_forward)(const TinyStep<T>&);
  bool (*tiny_feedback)(const TinyStep<T>&);
  void (*tiny_update)(const TinyStep<T>&);
  void (*lane_run)(const LaneRun<T>&);
  Index lanes;  // numbers in a vector
};

// Convolutions and pooling (conv_table.cpp).
template <class T>
struct ConvSet {
  Op<ConvForward<T>> conv_weights;  // comes before conv_forward, if it works by Winograd's algorithm
  Op<ConvForward<T>> conv_forward;
  Op<ConvBack<T>> conv_turn;  // comes before conv_back
  Op<ConvBack<T>> conv_back;
  Op<ConvUpdate<T>> conv_gradient;  // comes before conv_learn
  Op<ConvUpdate<T>> conv_learn;
  Op<PoolForward<T>> pool_forward;
  Op<PoolBack<T>> pool_back;
};

// Recurrent layers (recurrent_table.cpp).
template <class T>
struct RecurrentSet {
  Op<RecurrentForward<T>> recurrent_forward;
  Op<RecurrentBack<T>> recurrent_back;
  Op<RecurrentTrace<T>> recurrent_trace;
  void (*recurrent_run)(const RecurrentRun<T>&);
};

// Decompositions, by Eigen. Matrices are row-major without padding.
struct LinearAlgebra {
  // Moore–Penrose: w (rows, cols) → out (cols, rows)
  void (*pseudoinverse)(const double* w, Index rows, Index cols, double* out);
  // g (rows, cols), rows ≥ cols, ← Q of g = QR, the diagonal of R positive
  void (*orthonormalise)(double* g, Index rows, Index cols);
};

// What a kernel library exports as `fastfa_kernels`.
struct KernelTable {
  std::uint32_t abi;
  const char* level;
  const char* eigen;
  KernelSet<float> f32;
  KernelSet<double> f64;
  LinearAlgebra linear_algebra;
  const ConvSet<float>* conv_f32;
  const ConvSet<double>* conv_f64;
  const RecurrentSet<float>* recurrent_f32;
  const RecurrentSet<double>* recurrent_f64;
  const Bf16Set* bf16[3];  // by AMX, by AVX512-BF16, emulated; null: not built
};

}  // namespace fastfa

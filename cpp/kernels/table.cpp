// One kernel library: this file, compiled for one instruction set. It exports one function.
#include "fastfa/export.h"
#include "kernels/activate.h"
#include "kernels/apply_gradient.h"
#include "kernels/bf16_table.h"
#include "kernels/conv_table.h"
#include "kernels/dense_forward.h"
#include "kernels/dense_online.h"
#include "kernels/dense_update.h"
#include "kernels/draw.h"
#include "kernels/dropout.h"
#include "kernels/gather.h"
#include "kernels/lanes.h"
#include "kernels/linear_algebra.h"
#include "kernels/local_back.h"
#include "kernels/local_forward.h"
#include "kernels/local_update.h"
#include "kernels/output.h"
#include "kernels/propagate.h"
#include "kernels/propagate_bits.h"
#include "kernels/propagate_hadamard.h"
#include "kernels/propagate_pairs.h"
#include "kernels/propagate_procedural.h"
#include "kernels/propagate_sign.h"
#include "kernels/propagate_sparse.h"
#include "kernels/recurrent_table.h"
#include "kernels/row_dots.h"
#include "kernels/times_slope.h"
#include "kernels/tiny.h"
#include "kernels/transpose.h"

#ifdef FASTFA_AVX512_BF16
#define FASTFA_AVX512_BF16_SET &bf16_avx512_bf16
#else
#define FASTFA_AVX512_BF16_SET nullptr
#endif
#ifdef FASTFA_AMX
#define FASTFA_AMX_SET &bf16_amx
#else
#define FASTFA_AMX_SET nullptr
#endif

namespace fastfa {
namespace {

template <class T>
constexpr KernelSet<T> kernels{
    {gather_tiles<T>, gather_run<T>, nullptr},
    {dense_forward_tiles<T>, dense_forward_run<T>, dense_forward_finish<T>},
    {output_tiles<T>, output_run<T>, nullptr},
    {propagate_tiles<T>, propagate_run<T>, propagate_done<T>},
    {product_tiles<PropagateSign<T>>, propagate_sign_run<T>, nullptr},
    {product_tiles<PropagateBits<T>>, propagate_bits_run<T>, nullptr},
    {propagate_pairs_tiles<T>, propagate_pairs_run<T>, propagate_pairs_done<T>},
    {product_tiles<PropagateProcedural<T>>, propagate_procedural_run<T>, nullptr},
    {propagate_sparse_tiles<T>, propagate_sparse_run<T>, nullptr},
    {propagate_hadamard_tiles<T>, propagate_hadamard_run<T>, nullptr},
    {times_slope_tiles<T>, times_slope_run<T>, nullptr},
    {activate_tiles<T>, activate_run<T>, nullptr},
    {apply_gradient_tiles<T>, apply_gradient_run<T>, nullptr},
    {transpose_tiles<T>, transpose_run<T>, nullptr},
    {draw_tiles<T>, draw_run<T>, nullptr},
    {dropout_tiles<T>, dropout_run<T>, nullptr},
    {row_dots_tiles<T>, row_dots_run<T>, nullptr},
    {dense_update_tiles<T>, dense_update_run<T>, nullptr},
    {dense_online_tiles<T>, dense_online_run<T>, dense_online_finish<T>},
    {local_forward_tiles<T>, local_forward_run<T>, nullptr},
    {local_back_tiles<T>, local_back_run<T>, nullptr},
    {local_update_tiles<T>, local_update_run<T>, local_update_finish<T>},
    local_by_rows<T>,
    tiny_run<T>,
    tiny_forward<T>,
    tiny_feedback<T>,
    tiny_update<T>,
    lane_run<T>,
    lanes<T>};

constexpr KernelTable table{kernel_abi,
                            FASTFA_LEVEL,
                            FASTFA_TEXT(EIGEN_WORLD_VERSION) "." FASTFA_TEXT(
                                EIGEN_MAJOR_VERSION) "." FASTFA_TEXT(EIGEN_MINOR_VERSION),
                            kernels<float>,
                            kernels<double>,
                            {pseudoinverse, orthonormalise},
                            &conv_f32,
                            &conv_f64,
                            &recurrent_f32,
                            &recurrent_f64,
                            {FASTFA_AMX_SET, FASTFA_AVX512_BF16_SET, &bf16_emulated}};

}  // namespace
}  // namespace fastfa

extern "C" FASTFA_EXPORT const fastfa::KernelTable* fastfa_kernels() { return &fastfa::table; }

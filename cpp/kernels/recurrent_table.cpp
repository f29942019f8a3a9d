// Recurrent layers: a file of its own, for the reason of conv_table.cpp.
#include "kernels/recurrent_table.h"

#include "kernels/recurrent_run.h"

namespace fastfa {
namespace {

template <class T>
constexpr RecurrentSet<T> kernels{{recurrent_forward_tiles<T>, recurrent_forward_run<T>, nullptr},
                                  {recurrent_back_tiles<T>, recurrent_back_run<T>, nullptr},
                                  {recurrent_trace_tiles<T>, recurrent_trace_run<T>, nullptr},
                                  recurrent_run<T>};

}  // namespace

const RecurrentSet<float> recurrent_f32 = kernels<float>;
const RecurrentSet<double> recurrent_f64 = kernels<double>;

}  // namespace fastfa

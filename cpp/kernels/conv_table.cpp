// Convolutions and pooling: a file of its own, so that what the compiler makes of all other kernels, and
// so their last bits, doesn't depend on these.
#include "kernels/conv_table.h"

#include "kernels/conv_back.h"
#include "kernels/conv_forward.h"
#include "kernels/conv_update.h"
#include "kernels/pool.h"

namespace fastfa {
namespace {

template <class T>
constexpr ConvSet<T> kernels{{conv_weights_tiles<T>, conv_weights_run<T>, nullptr},
                             {conv_forward_tiles<T>, conv_forward_run<T>, nullptr},
                             {conv_turn_tiles<T>, conv_turn_run<T>, nullptr},
                             {conv_back_tiles<T>, conv_back_run<T>, nullptr},
                             {conv_gradient_tiles<T>, conv_gradient_run<T>, nullptr},
                             {conv_learn_tiles<T>, conv_learn_run<T>, nullptr},
                             {pool_tiles<PoolForward<T>>, pool_forward_run<T>, nullptr},
                             {pool_tiles<PoolBack<T>>, pool_back_run<T>, nullptr}};

}  // namespace

const ConvSet<float> conv_f32 = kernels<float>;
const ConvSet<double> conv_f64 = kernels<double>;

}  // namespace fastfa

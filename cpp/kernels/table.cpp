// One kernel library: this file, compiled for one instruction set. It exports one function.
#include "kernels/dense_forward.h"
#include "kernels/dense_update.h"
#include "kernels/gather.h"
#include "kernels/output.h"
#include "kernels/propagate.h"

#define FASTFA_TEXT_(x) #x
#define FASTFA_TEXT(x) FASTFA_TEXT_(x)

namespace fastfa {
namespace {

template <class T>
constexpr KernelSet<T> kernels{{gather_tiles<T>, gather_run<T>, nullptr},
                               {dense_forward_tiles<T>, dense_forward_run<T>, dense_forward_finish<T>},
                               {output_tiles<T>, output_run<T>, nullptr},
                               {propagate_tiles<T>, propagate_run<T>, propagate_done<T>},
                               {dense_update_tiles<T>, dense_update_run<T>, nullptr}};

constexpr KernelTable table{kernel_abi, FASTFA_LEVEL,
                            FASTFA_TEXT(EIGEN_WORLD_VERSION) "." FASTFA_TEXT(
                                EIGEN_MAJOR_VERSION) "." FASTFA_TEXT(EIGEN_MINOR_VERSION),
                            kernels<float>, kernels<double>};

}  // namespace
}  // namespace fastfa

extern "C" __attribute__((visibility("default"))) const fastfa::KernelTable* fastfa_kernels() {
  return &fastfa::table;
}

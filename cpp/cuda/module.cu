// What the library exports.
#include "core/machine/device_module.h"
#include "fastfa/export.h"

namespace fastfa::cuda {

Backend<float>* make_f32(int ordinal);
Backend<double>* make_f64(int ordinal);

}  // namespace fastfa::cuda

extern "C" FASTFA_API const void* fastfa_device() {
  static const fastfa::DeviceModule table{fastfa::device_abi, fastfa::cuda::make_f32,
                                          fastfa::cuda::make_f64};
  return &table;
}

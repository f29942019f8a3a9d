// The same sources as a library of the emulated device, which can also tell what has run.
#include <string>

#include "cuda/f32.cu"
#include "cuda/f64.cu"
#include "cuda/module.cu"

// Names of the kernels that have run, separated by spaces.
extern "C" FASTFA_API const char* fastfa_kernels_run() {
  static std::string names;
  names.clear();
  for (const std::string& name : fastfa::cuda::kernels_run()) names += (names.empty() ? "" : " ") + name;
  return names.c_str();
}

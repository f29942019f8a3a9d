#include "cuda/runtime/device.h"

#include <stdexcept>

namespace fastfa::cuda {
namespace {

std::string dotted(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

}  // namespace

void Device::check(cudaError_t status, const std::string& what) {
  if (status == cudaSuccess) return;
  cudaGetLastError();  // what isn't lost for good is forgotten
  throw std::runtime_error("[cuda] " + what + ": " + cudaGetErrorString(status));
}

Device::Device(int ordinal) : ordinal_(ordinal) {
  int driver = 0, count = 0;
  if (cudaDriverGetVersion(&driver) != cudaSuccess || driver == 0) {
    throw std::runtime_error("no NVIDIA driver was found (libcuda.so); install one for CUDA " +
                             dotted(CUDART_VERSION) + " or later");
  }
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status == cudaErrorInsufficientDriver) {
    throw std::runtime_error("the NVIDIA driver is for CUDA " + dotted(driver) +
                             "; it must be for CUDA " + dotted(CUDART_VERSION) + " or later");
  }
  if (status != cudaSuccess || count == 0) {
    throw std::runtime_error(std::string("the NVIDIA driver finds no GPU: ") +
                             cudaGetErrorString(status));
  }
  if (ordinal >= count) {
    throw std::runtime_error("there are " + std::to_string(count) + " GPUs, numbered from 0");
  }
  int unified = 0;
  check(cudaDeviceGetAttribute(&unified, cudaDevAttrConcurrentManagedAccess, ordinal), "attributes");
  if (!unified) {
    throw std::runtime_error(
        "this GPU and system lack concurrent managed access, which fastfa needs: "
        "a GPU of compute capability 8.0 or later, on Linux");
  }
  make_current();
  check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "a stream");
}

Device::~Device() { cudaStreamDestroy(stream_); }

void Device::make_current() { check(cudaSetDevice(ordinal_), "device " + std::to_string(ordinal_)); }

std::shared_ptr<void> Device::owned(void* memory) {
  return {memory, [device = shared_from_this()](void* at) {
            cudaSetDevice(device->ordinal_);
            cudaFree(at);  // waits for all work
          }};
}

std::shared_ptr<void> Device::allocate(std::size_t bytes) {
  make_current();
  void* memory = nullptr;
  check(cudaMallocManaged(&memory, bytes ? bytes : 1), std::to_string(bytes) + " bytes");
  std::shared_ptr<void> result = owned(memory);
  clear(memory, bytes);
  wait();
  return result;
}
std::shared_ptr<void> Device::reserve(std::size_t bytes) {
  make_current();
  void* memory = nullptr;
  check(cudaMalloc(&memory, bytes ? bytes : 1), std::to_string(bytes) + " bytes of device memory");
  return owned(memory);
}

void Device::copy(void* to, const void* from, std::size_t bytes) {
  check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, stream_), "a copy");
}
void Device::clear(void* at, std::size_t bytes) {
  check(cudaMemsetAsync(at, 0, bytes, stream_), "clearing memory");
}
void Device::wait() { check(cudaStreamSynchronize(stream_), "the work under way"); }

}  // namespace fastfa::cuda

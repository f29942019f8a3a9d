// A GPU through the CUDA runtime: a stream, and memory that host and device both see (unified memory:
// pages move to whoever touches them, so that the host's views of weights stay valid while the device
// trains at its own memory's speed).
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <memory>
#include <string>

namespace fastfa::cuda {

class Device : public std::enable_shared_from_this<Device> {
 public:
  explicit Device(int ordinal);  // throws std::runtime_error saying what is missing
  ~Device();
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;
  void make_current();  // for the calling thread

  std::shared_ptr<void> allocate(std::size_t bytes);  // zeroed; host and device see it
  std::shared_ptr<void> reserve(std::size_t bytes);   // undefined; for the device
  void copy(void* to, const void* from, std::size_t bytes);
  void clear(void* at, std::size_t bytes);
  void wait();

  template <class... P, class... A>
  void launch(const char* name, dim3 grid, dim3 block, void (*kernel)(P...), const A&... args) {
    kernel<<<grid, block, 0, stream_>>>(args...);
    check(cudaGetLastError(), name);
  }
  template <class... P>
  void require(const char*, const P*...) const {}  // the emulated device looks

 private:
  static void check(cudaError_t status, const std::string& what);
  std::shared_ptr<void> owned(void* memory);

  int ordinal_;
  cudaStream_t stream_ = nullptr;
};

}  // namespace fastfa::cuda

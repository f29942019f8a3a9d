// A GPU through the CUDA runtime: a stream, and memory that host and device both see (unified memory:
// pages move to whoever touches them, so that the host's views of weights stay valid while the device
// trains at its own memory's speed).
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <functional>
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
  bool reaches(const void* at, std::size_t bytes) const;
  void copy(void* to, const void* from, std::size_t bytes);
  // `rows` of `width` bytes each, so far apart
  void copy_rows(void* to, std::size_t to_pitch, const void* from, std::size_t from_pitch,
                 std::size_t width, std::size_t rows);
  void clear(void* at, std::size_t bytes);
  void wait();

  // The stream that work is queued on: the device's own for 0.
  void use_stream(std::uintptr_t handle);
  std::uintptr_t stream() const { return reinterpret_cast<std::uintptr_t>(stream_); }
  void wait_for(std::uintptr_t handle);  // what is on another stream

  // From begin to end, what is asked for is kept, as a CUDA graph, instead of done; memory can't be had
  // meanwhile. It is captured on a stream apart, for a caller's may be one that can't be.
  void begin_record();
  std::shared_ptr<void> end_record();
  void replay(const std::shared_ptr<void>& recording);

  double time(const std::function<void()>& work);  // seconds that it takes; it is done several times
  std::string blas_path(const std::string& path) const {
    return path;
  }  // the emulated device has its own

  template <class... P, class... A>
  void launch(const char* name, dim3 grid, dim3 block, void (*kernel)(P...), const A&... args) {
    kernel<<<grid, block, 0, stream_>>>(args...);
    check(cudaGetLastError(), name);
  }
  template <class... P>
  void require(const char*, const P&...) const {}  // the emulated device looks

 private:
  static void check(cudaError_t status, const std::string& what);
  std::shared_ptr<void> owned(void* memory);

  int ordinal_;
  cudaStream_t own_ = nullptr, stream_ = nullptr;
  cudaStream_t while_recording_ = nullptr;  // where stream_ was
};

}  // namespace fastfa::cuda

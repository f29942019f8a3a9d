#include "cuda/runtime/device.h"

#include <new>
#include <stdexcept>
#include <utility>

namespace fastfa::cuda {
namespace {

std::string dotted(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

class OutOfMemory : public std::bad_alloc {
 public:
  explicit OutOfMemory(std::string what) : what_(std::move(what)) {}
  const char* what() const noexcept override { return what_.c_str(); }

 private:
  std::string what_;
};

}  // namespace

void Device::check(cudaError_t status, const std::string& what) {
  if (status == cudaSuccess) return;
  cudaGetLastError();  // what isn't lost for good is forgotten
  if (status == cudaErrorMemoryAllocation) throw OutOfMemory("[cuda] no memory for " + what);
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
  check(cudaStreamCreateWithFlags(&own_, cudaStreamNonBlocking), "a stream");
  stream_ = own_;
}

Device::~Device() { cudaStreamDestroy(own_); }

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

// Memory of this device, or memory that moves to whoever touches it.
bool Device::reaches(const void* at, std::size_t) const {
  cudaPointerAttributes found{};
  if (cudaPointerGetAttributes(&found, at) != cudaSuccess) {
    cudaGetLastError();
    return false;
  }
  return found.type == cudaMemoryTypeManaged ||
         (found.type == cudaMemoryTypeDevice && found.device == ordinal_);
}

void Device::copy(void* to, const void* from, std::size_t bytes) {
  check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, stream_), "a copy");
}
void Device::clear(void* at, std::size_t bytes) {
  check(cudaMemsetAsync(at, 0, bytes, stream_), "clearing memory");
}
void Device::copy_rows(void* to, std::size_t to_pitch, const void* from, std::size_t from_pitch,
                       std::size_t width, std::size_t rows) {
  check(cudaMemcpy2DAsync(to, to_pitch, from, from_pitch, width, rows, cudaMemcpyDefault, stream_),
        "a copy of rows");
}
void Device::wait() { check(cudaStreamSynchronize(stream_), "the work under way"); }

void Device::use_stream(std::uintptr_t handle) {
  const auto other = reinterpret_cast<cudaStream_t>(handle);
  if (handle) {
    const cudaError_t status = cudaStreamQuery(other);
    if (status != cudaErrorNotReady) check(status, "the stream");
  }
  stream_ = handle ? other : own_;
}
void Device::wait_for(std::uintptr_t handle) {
  check(cudaStreamSynchronize(reinterpret_cast<cudaStream_t>(handle)), "work on another stream");
}

double Device::time(const std::function<void()>& work) {
  constexpr int times = 10;
  struct Event {
    cudaEvent_t is = nullptr;
    Event() { check(cudaEventCreate(&is), "an event"); }
    ~Event() { cudaEventDestroy(is); }
  } begin, end;
  work();  // what comes first pays for more than itself
  check(cudaEventRecord(begin.is, stream_), "an event");
  for (int i = 0; i < times; ++i) work();
  check(cudaEventRecord(end.is, stream_), "an event");
  check(cudaEventSynchronize(end.is), "the work that is timed");
  float milliseconds = 0;
  check(cudaEventElapsedTime(&milliseconds, begin.is, end.is), "an event");
  return milliseconds * 1e-3 / times;
}

void Device::begin_record() {
  while_recording_ = stream_;
  stream_ = own_;
  check(cudaStreamBeginCapture(own_, cudaStreamCaptureModeThreadLocal), "a recording");
}
std::shared_ptr<void> Device::end_record() {
  stream_ = while_recording_;
  cudaGraph_t graph = nullptr;
  check(cudaStreamEndCapture(own_, &graph), "a recording");
  cudaGraphExec_t ready = nullptr;
  const cudaError_t status = cudaGraphInstantiate(&ready, graph, 0);
  cudaGraphDestroy(graph);
  check(status, "a recording's graph");
  return {ready, [device = shared_from_this()](void* at) {
            cudaSetDevice(device->ordinal_);
            cudaGraphExecDestroy(static_cast<cudaGraphExec_t>(at));
          }};
}
void Device::replay(const std::shared_ptr<void>& recording) {
  check(cudaGraphLaunch(static_cast<cudaGraphExec_t>(recording.get()), stream_), "a replay");
}

}  // namespace fastfa::cuda

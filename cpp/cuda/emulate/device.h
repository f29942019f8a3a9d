// The emulated device: what cuda/runtime/device.h does with a GPU, done on the processor. Work is queued
// and done in wait(), so that whoever forgets to wait sees old numbers, as on a GPU.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "cuda/emulate/block.h"
#include "cuda/emulate/memory.h"
#include "cuda/emulate/queue.h"
#include "kernels/ops.h"

namespace fastfa::cuda {

class Device : public std::enable_shared_from_this<Device> {
 public:
  explicit Device(int ordinal);  // 0, 1, 2: blocks and threads run forward, backward, shuffled
  void make_current() {}

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
  std::uintptr_t stream() const { return queue_->handle(); }
  void wait_for(std::uintptr_t handle);  // what is on another stream

  // From begin to end, what is asked for is kept instead of done; memory can't be had meanwhile. It is
  // recorded on a queue apart, as by a GPU.
  void begin_record();
  std::shared_ptr<void> end_record();
  void replay(const std::shared_ptr<void>& recording);

  double time(const std::function<void()>& work);        // in ticks
  std::string blas_path(const std::string& path) const;  // the stand-in's, for none

  template <class... P, class... A>
  void launch(const char* name, emulate::Dim3 grid, emulate::Dim3 block, void (*kernel)(P...),
              const A&... args) {
    queue(name, grid, block, [=] { kernel(args...); });
  }
  // Throws std::logic_error if one of these isn't the device's memory (null is).
  template <class... P>
  void require(const char* kernel, const P&... pointers) const {
    (require_one(kernel, pointers), ...);
  }

 private:
  void require_one(const char* kernel, const void* pointer) const;
  template <class T>
  void require_one(const char* kernel, const View<T>& m) const {
    require_one(kernel, m.data);
  }
  std::shared_ptr<void> take(std::size_t bytes, unsigned char fill);
  void queue(const char* name, emulate::Dim3 grid, emulate::Dim3 block, std::function<void()> kernel);

  int ordinal_;
  std::shared_ptr<emulate::Queue> own_, queue_;
  std::shared_ptr<emulate::Queue> while_recording_;  // where queue_ was
};

// The emulated devices' clock: a thread that is run, or a product of the stand-in for cuBLAS, takes so
// many ticks.
void pass(long ticks);
long now();
void product_takes(long ticks);

// How often each kernel has run on any emulated device; also "(copy)", "(record)" and "(replay)".
void count_run(const char* name);
std::map<std::string, long> runs();

}  // namespace fastfa::cuda

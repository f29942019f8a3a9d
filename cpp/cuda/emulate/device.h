// The emulated device: what cuda/runtime/device.h does with a GPU, done on the processor. Work is queued
// and done in wait(), so that whoever forgets to wait sees old numbers, as on a GPU.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "cuda/emulate/block.h"
#include "kernels/ops.h"

namespace fastfa::cuda {

class Device : public std::enable_shared_from_this<Device> {
 public:
  explicit Device(int ordinal);  // 0, 1, 2: blocks and threads run forward, backward, shuffled
  void make_current() {}

  std::shared_ptr<void> allocate(std::size_t bytes);  // zeroed; host and device see it
  std::shared_ptr<void> reserve(std::size_t bytes);   // undefined; for the device
  void copy(void* to, const void* from, std::size_t bytes);
  void clear(void* at, std::size_t bytes);
  void wait();

  template <class... P, class... A>
  void launch(const char* name, emulate::Dim3 grid, emulate::Dim3 block, void (*kernel)(P...),
              const A&... args) {
    queue(name, grid, block, [=] { kernel(args...); });
  }
  // Throws std::logic_error if one of these isn't the device's memory (null is).
  template <class... P>
  void require(const char* kernel, const P*... pointers) const {
    (require_one(kernel, pointers), ...);
  }

 private:
  void require_one(const char* kernel, const void* pointer) const;
  std::shared_ptr<void> take(std::size_t bytes, unsigned char fill);
  void queue(const char* name, emulate::Dim3 grid, emulate::Dim3 block, std::function<void()> kernel);

  emulate::Order order_;
  mutable std::recursive_mutex mutex_;
  std::vector<std::function<void()>> work_;
  std::map<const unsigned char*, std::size_t> memory_;
};

// Names of all kernels that have run on any emulated device.
std::set<std::string>& kernels_run();

}  // namespace fastfa::cuda

#include "cuda/emulate/device.h"

#include <dlfcn.h>

#include <atomic>
#include <cstring>
#include <stdexcept>
#include <utility>

namespace fastfa::cuda {
namespace {

std::mutex counts_mutex;
std::map<std::string, long>& counts() {
  static std::map<std::string, long> all;
  return all;
}
std::atomic<long> ticks{0};

}  // namespace

void pass(long more) { ticks += more; }
long now() { return ticks; }

void count_run(const char* name) {
  const std::lock_guard<std::mutex> lock(counts_mutex);
  ++counts()[name];
}
std::map<std::string, long> runs() {
  const std::lock_guard<std::mutex> lock(counts_mutex);
  return counts();
}

Device::Device(int ordinal) : ordinal_(ordinal), own_(emulate::Queue::make()), queue_(own_) {
  if (ordinal < 0 || ordinal >= emulate::Memory::devices) {
    throw std::runtime_error("there are emulated devices 0, 1 and 2");
  }
}

std::shared_ptr<void> Device::take(std::size_t bytes, unsigned char fill) {
  if (own_->recording()) {
    throw std::logic_error("[emulated device] memory was asked for while recording");
  }
  // As cudaFree() does, freeing waits for all work.
  return {emulate::Memory::of(ordinal_).take(bytes, fill), [device = shared_from_this()](void* memory) {
            try {
              device->queue_->wait();
            } catch (const std::exception&) {  // it has been reported to whoever waited first
            }
            emulate::Memory::of(device->ordinal_).release(memory);
          }};
}
std::shared_ptr<void> Device::allocate(std::size_t bytes) { return take(bytes, 0); }
std::shared_ptr<void> Device::reserve(std::size_t bytes) { return take(bytes, 0xff); }

bool Device::reaches(const void* at, std::size_t bytes) const {
  return emulate::Memory::of(ordinal_).has(at, bytes);
}

void Device::copy(void* to, const void* from, std::size_t bytes) {
  queue_->push([=] {
    std::memcpy(to, from, bytes);
    count_run("(copy)");
  });
}
void Device::copy_rows(void* to, std::size_t to_pitch, const void* from, std::size_t from_pitch,
                       std::size_t width, std::size_t rows) {
  queue_->push([=] {
    for (std::size_t r = 0; r < rows; ++r) {
      std::memcpy(static_cast<char*>(to) + r * to_pitch, static_cast<const char*>(from) + r * from_pitch,
                  width);
    }
  });
}
void Device::clear(void* at, std::size_t bytes) {
  queue_->push([=] { std::memset(at, 0, bytes); });
}
void Device::queue(const char* name, emulate::Dim3 grid, emulate::Dim3 block,
                   std::function<void()> kernel) {
  queue_->push([=, order = static_cast<emulate::Order>(ordinal_)] {
    static thread_local emulate::Block one;
    one.run(name, grid, block, order, kernel);
    pass(long{grid.x} * grid.y * grid.z * block.x * block.y * block.z);
    count_run(name);
  });
}

void Device::wait() { queue_->wait(); }

void Device::use_stream(std::uintptr_t handle) { queue_ = handle ? emulate::Queue::of(handle) : own_; }
void Device::wait_for(std::uintptr_t handle) { emulate::Queue::of(handle)->wait(); }

void Device::begin_record() {
  while_recording_ = std::exchange(queue_, own_);
  own_->begin_record();
}
std::shared_ptr<void> Device::end_record() {
  queue_ = std::move(while_recording_);
  count_run("(record)");
  return std::make_shared<std::vector<emulate::Queue::Piece>>(own_->end_record());
}
void Device::replay(const std::shared_ptr<void>& recording) {
  using Pieces = std::vector<emulate::Queue::Piece>;
  queue_->push([kept = std::static_pointer_cast<Pieces>(recording)] {
    count_run("(replay)");
    for (const emulate::Queue::Piece& piece : *kept) piece();
  });
}

double Device::time(const std::function<void()>& work) {
  wait();
  const long before = now();
  work();
  wait();
  return static_cast<double>(now() - before);
}
std::string Device::blas_path(const std::string& path) const {
  Dl_info self{};
  if (!path.empty() || dladdr(reinterpret_cast<const void*>(&now), &self) == 0) return path;
  return self.dli_fname;
}

void Device::require_one(const char* kernel, const void* pointer) const {
  if (!pointer || reaches(pointer, 1)) return;
  throw std::logic_error(std::string("[emulated device] ") + kernel + " was given memory of the host");
}

}  // namespace fastfa::cuda

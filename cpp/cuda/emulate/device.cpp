#include "cuda/emulate/device.h"

#include <cstring>
#include <new>
#include <stdexcept>

namespace fastfa::cuda {

std::set<std::string>& kernels_run() {
  static std::set<std::string> names;
  return names;
}

Device::Device(int ordinal) : order_(static_cast<emulate::Order>(ordinal)) {
  if (ordinal < 0 || ordinal > 2) throw std::runtime_error("there are emulated devices 0, 1 and 2");
}

std::shared_ptr<void> Device::take(std::size_t bytes, unsigned char fill) {
  const std::lock_guard<std::recursive_mutex> lock(mutex_);
  auto* at = static_cast<unsigned char*>(::operator new(bytes ? bytes : 1, std::align_val_t{64}));
  std::memset(at, fill, bytes);
  memory_[at] = bytes;
  // As cudaFree() does, freeing waits for all work.
  return {at, [device = shared_from_this()](void* memory) {
            const std::lock_guard<std::recursive_mutex> last(device->mutex_);
            try {
              device->wait();
            } catch (const std::exception&) {  // it has been reported to whoever waited first
            }
            device->memory_.erase(static_cast<unsigned char*>(memory));
            ::operator delete(memory, std::align_val_t{64});
          }};
}
std::shared_ptr<void> Device::allocate(std::size_t bytes) { return take(bytes, 0); }
std::shared_ptr<void> Device::reserve(std::size_t bytes) { return take(bytes, 0xff); }

void Device::copy(void* to, const void* from, std::size_t bytes) {
  const std::lock_guard<std::recursive_mutex> lock(mutex_);
  work_.push_back([=] { std::memcpy(to, from, bytes); });
}
void Device::clear(void* at, std::size_t bytes) {
  const std::lock_guard<std::recursive_mutex> lock(mutex_);
  work_.push_back([=] { std::memset(at, 0, bytes); });
}
void Device::queue(const char* name, emulate::Dim3 grid, emulate::Dim3 block,
                   std::function<void()> kernel) {
  const std::lock_guard<std::recursive_mutex> lock(mutex_);
  work_.push_back([=, order = order_] {
    static thread_local emulate::Block one;
    one.run(name, grid, block, order, kernel);
    static std::mutex names;  // of all devices
    const std::lock_guard<std::mutex> last(names);
    kernels_run().insert(name);
  });
}

void Device::wait() {
  const std::lock_guard<std::recursive_mutex> lock(mutex_);
  std::vector<std::function<void()>> work;
  std::swap(work, work_);
  for (const std::function<void()>& piece : work) piece();
}

void Device::require_one(const char* kernel, const void* pointer) const {
  if (!pointer) return;
  const std::lock_guard<std::recursive_mutex> lock(mutex_);
  const auto* at = static_cast<const unsigned char*>(pointer);
  const auto next = memory_.upper_bound(at);
  if (next != memory_.begin() && at < std::prev(next)->first + std::prev(next)->second) return;
  throw std::logic_error(std::string("[emulated device] ") + kernel + " was given memory of the host");
}

}  // namespace fastfa::cuda

#include "cuda/emulate/memory.h"

#include <cstring>
#include <iterator>
#include <new>

namespace fastfa::emulate {

Memory& Memory::of(int ordinal) {
  static auto* all = new Memory[devices];  // never given back: arrays may outlive everything else
  return all[ordinal];
}

unsigned char* Memory::take(std::size_t bytes, unsigned char fill) {
  auto* at = static_cast<unsigned char*>(::operator new(bytes ? bytes : 1, std::align_val_t{64}));
  std::memset(at, fill, bytes);
  const std::lock_guard<std::mutex> lock(mutex_);
  pieces_[at] = bytes;
  return at;
}

void Memory::release(void* memory) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    pieces_.erase(static_cast<unsigned char*>(memory));
  }
  ::operator delete(memory, std::align_val_t{64});
}

bool Memory::has(const void* pointer, std::size_t bytes) const {
  const auto* at = static_cast<const unsigned char*>(pointer);
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto next = pieces_.upper_bound(at);
  return next != pieces_.begin() && at + bytes <= std::prev(next)->first + std::prev(next)->second;
}

}  // namespace fastfa::emulate

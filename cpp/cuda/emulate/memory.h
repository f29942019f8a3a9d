// The memory of an emulated device, whoever asked for it.
#pragma once

#include <cstddef>
#include <map>
#include <mutex>

namespace fastfa::emulate {

class Memory {
 public:
  static constexpr int devices = 3;
  static Memory& of(int ordinal);

  unsigned char* take(std::size_t bytes, unsigned char fill);
  void release(void* memory);
  bool has(const void* at, std::size_t bytes) const;

 private:
  mutable std::mutex mutex_;
  std::map<const unsigned char*, std::size_t> pieces_;
};

}  // namespace fastfa::emulate

// Where memory for numbers comes from: the host or a device.
#pragma once

#include <cstddef>
#include <memory>

namespace fastfa {

class Allocator {
 public:
  virtual ~Allocator() = default;
  // Zeroed memory, aligned for every kernel. The host may look at it and write to it whenever no
  // operation on it is under way, which Backend::wait() sees to.
  virtual std::shared_ptr<void> allocate(std::size_t bytes) = 0;
};

// The processor's own memory.
Allocator& host_allocator();

}  // namespace fastfa

// Where numbers live.
#pragma once

#include <cstddef>
#include <memory>

namespace fastfa {

class Place {
 public:
  virtual ~Place() = default;
  // Zeroed memory, aligned for every kernel. The host may look at it and write to it whenever no
  // operation on it is under way, which Backend::wait() sees to.
  virtual std::shared_ptr<void> allocate(std::size_t bytes) = 0;
};

// The processor's own memory.
Place& host();

}  // namespace fastfa

#pragma once

#include <atomic>
#include <cstdint>

namespace fastfa {

// Written by whoever holds the network, read by anybody.
class Counter {
 public:
  operator std::int64_t() const { return n_.load(std::memory_order_relaxed); }
  void operator=(std::int64_t n) { n_.store(n, std::memory_order_relaxed); }
  void operator+=(std::int64_t more) { *this = *this + more; }
  void operator++() { *this += 1; }

 private:
  std::atomic<std::int64_t> n_{0};
};

}  // namespace fastfa

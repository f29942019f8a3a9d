// One block of threads at a time: its threads, its shared memory, and where they wait for one another.
#pragma once

#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "cuda/emulate/fiber.h"

namespace fastfa::emulate {

struct Dim3 {
  unsigned x = 1, y = 1, z = 1;
  unsigned count() const { return x * y * z; }
};

// In which order blocks and threads run. What is right must not depend on it.
enum class Order { forward, backward, shuffled };

class Block {
 public:
  static constexpr unsigned warp_size = 32;
  static constexpr unsigned most_threads = 1024;
  static constexpr std::size_t most_shared = 48 * 1024;

  // Runs `kernel` in every block of the grid. Throws std::runtime_error if its threads don't meet at
  // their barriers, or if it asks for what no device has.
  void run(const char* name, Dim3 grid, Dim3 block, Order order, const std::function<void()>& kernel);

  // ---- what a thread sees; called from within kernels
  struct Thread {
    Dim3 index;
    unsigned number = 0;          // within the block
    std::size_t shared = 0;       // arrays it has declared so far
    unsigned exchanges = 0;       // with its warp
    const char* waits = nullptr;  // where; null: it runs
    bool for_warp = false;
    Fiber fiber;
  };
  Thread& self() { return *running_; }
  Dim3 grid, size, index;

  void* shared(std::size_t bytes);
  void sync(const char* where);
  // Every lane of the warp gives a value and takes that of lane `from`.
  template <class V>
  V exchange(const char* where, unsigned mask, V value, unsigned from) {
    static_assert(sizeof(V) <= 8);
    Thread& own = self();
    const unsigned warp = own.number / warp_size;
    // Two slots in turn: whoever is ahead can't overwrite what another has still to read.
    auto* slots = &slots_[(2 * warp + own.exchanges++ % 2) * warp_size];
    std::memcpy(&slots[own.number % warp_size], &value, sizeof(V));
    meet_warp(where, mask);
    std::memcpy(&value, &slots[from % warp_size], sizeof(V));
    return value;
  }

 private:
  void run_block(Order order);
  void meet_warp(const char* where, unsigned mask);
  void stop(const char* where, bool for_warp);
  bool release_warps();
  [[noreturn]] void fail(const std::string& what);

  const char* name_ = "";
  const std::function<void()>* kernel_ = nullptr;
  Thread* running_ = nullptr;
  std::vector<std::unique_ptr<Thread>> threads_;
  std::vector<unsigned> order_;
  std::vector<std::uint64_t> slots_;
  struct Array {
    std::unique_ptr<unsigned char[]> bytes;
    std::size_t size;
  };
  std::vector<Array> shared_;
  std::string failure_;
};

// The block under way on this thread of the processor: asked for at every step, so without a guard.
inline thread_local Block* running_block = nullptr;
inline Block& block() { return *running_block; }

}  // namespace fastfa::emulate

#include "cuda/emulate/block.h"

#include <algorithm>
#include <numeric>
#include <stdexcept>

namespace fastfa::emulate {
namespace {

// A fixed shuffle (any will do; the same each time, so that a failure comes back).
void arrange(std::vector<unsigned>& order, unsigned count, Order how) {
  order.resize(count);
  std::iota(order.begin(), order.end(), 0u);
  if (how == Order::backward) std::reverse(order.begin(), order.end());
  if (how != Order::shuffled) return;
  std::uint32_t state = 12345;
  for (unsigned i = count; i > 1; --i) {
    state = state * 1664525u + 1013904223u;
    std::swap(order[i - 1], order[(state >> 8) % i]);
  }
}

constexpr unsigned char poison = 0xff;  // NaN, and an index that is out of bounds

}  // namespace

void Block::fail(const std::string& what) {
  running_ = nullptr;
  throw std::runtime_error(std::string("[emulated device] kernel ") + name_ + ": " + what);
}

void Block::run(const char* name, Dim3 grid_size, Dim3 block_size, Order order,
                const std::function<void()>& kernel) {
  name_ = name;
  kernel_ = &kernel;
  running_block = this;
  grid = grid_size;
  size = block_size;
  const unsigned threads = size.count();
  if (threads == 0 || threads > most_threads || threads % warp_size || grid.count() == 0) {
    fail("a launch of " + std::to_string(grid.count()) + " blocks of " + std::to_string(threads) +
         " threads");
  }
  if (grid.y > 65535 || grid.z > 65535) fail("a grid too large in y or z");
  while (threads_.size() < threads) threads_.push_back(std::make_unique<Thread>());
  arrange(order_, threads, order);
  slots_.assign(2 * threads, 0);
  std::vector<unsigned> blocks;
  arrange(blocks, grid.count(), order);
  for (unsigned b : blocks) {
    index = {b % grid.x, b / grid.x % grid.y, b / grid.x / grid.y};
    run_block(order);
  }
}

void Block::run_block(Order) {
  for (Array& a : shared_) std::memset(a.bytes.get(), poison, a.size);
  failure_.clear();
  const unsigned threads = size.count();
  for (unsigned t = 0; t < threads; ++t) {
    Thread& thread = *threads_[t];
    thread.index = {t % size.x, t / size.x % size.y, t / size.x / size.y};
    thread.number = t;
    thread.shared = thread.exchanges = 0;
    thread.waits = nullptr;
    thread.for_warp = false;
    thread.fiber.start([](void* self) { (*static_cast<Block*>(self)->kernel_)(); }, this);
  }
  for (;;) {
    unsigned ended = 0, waiting = 0;
    for (unsigned t : order_) {
      Thread& thread = *threads_[t];
      if (!thread.fiber.ended() && !thread.waits) {
        running_ = &thread;
        thread.fiber.resume();
        if (!failure_.empty()) fail(failure_);
      }
      ended += thread.fiber.ended();
      waiting += !thread.fiber.ended() && !thread.for_warp;
    }
    if (ended == threads) break;
    if (release_warps()) continue;
    const char* where = nullptr;
    for (unsigned t = 0; t < threads; ++t) {
      Thread& thread = *threads_[t];
      if (thread.fiber.ended()) continue;
      if (thread.for_warp) fail(std::string("part of a warp waits for the rest at ") + thread.waits);
      if (where && std::strcmp(where, thread.waits) != 0) {
        fail(std::string("threads wait at different barriers, ") + where + " and " + thread.waits);
      }
      where = thread.waits;
    }
    if (waiting != threads) {
      fail(std::string("some threads ended while others wait at the barrier ") + where);
    }
    for (unsigned t = 0; t < threads; ++t) threads_[t]->waits = nullptr;
  }
  running_ = nullptr;
}

// Warps all of whose lanes wait at the same place go on.
bool Block::release_warps() {
  bool any = false;
  for (unsigned first = 0; first < size.count(); first += warp_size) {
    const char* where = nullptr;
    bool all = true;
    for (unsigned t = first; t < first + warp_size && all; ++t) {
      const Thread& thread = *threads_[t];
      all = !thread.fiber.ended() && thread.for_warp && thread.waits &&
            (!where || std::strcmp(where, thread.waits) == 0);
      where = thread.waits;
    }
    if (!all) continue;
    for (unsigned t = first; t < first + warp_size; ++t) {
      threads_[t]->waits = nullptr;
      threads_[t]->for_warp = false;
    }
    any = true;
  }
  return any;
}

void Block::stop(const char* where, bool for_warp) {
  Thread& own = self();
  own.waits = where;
  own.for_warp = for_warp;
  own.fiber.wait();
}
void Block::sync(const char* where) { stop(where, false); }
void Block::meet_warp(const char* where, unsigned mask) {
  if (mask != 0xffffffffu) failure_ = std::string("a warp function without all lanes at ") + where;
  stop(where, true);
}

// Every thread declares the same arrays in the same order, each an allocation of its own, so that a
// sanitizer sees where it ends.
void* Block::shared(std::size_t bytes) {
  Thread& own = self();
  if (own.shared == shared_.size() || shared_[own.shared].size != bytes) {
    // Another kernel was here before; the first thread to arrive makes room.
    shared_.resize(own.shared);
    shared_.push_back({std::make_unique<unsigned char[]>(bytes), bytes});
    std::memset(shared_.back().bytes.get(), poison, bytes);
    std::size_t total = 0;
    for (const Array& a : shared_) total += a.size;
    if (total > most_shared) {
      failure_ = std::to_string(total) + " bytes of shared memory";
      stop("shared memory", false);
    }
  }
  return shared_[own.shared++].bytes.get();
}

}  // namespace fastfa::emulate

// Threads of a block on one thread of the processor: each has a stack of its own and runs until it
// waits.
#pragma once

#include <cstddef>
#include <memory>

namespace fastfa::emulate {

class Fiber {
 public:
  Fiber();
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  // Gets ready to run body(context) from its beginning, whatever was under way before.
  void start(void (*body)(void*), void* context);
  // Runs it until it waits or ends. Called by whoever is no fiber.
  void resume();
  // Called by the fiber that runs: back to resume().
  void wait();
  bool ended() const { return ended_; }

 private:
  static void enter();
  void prepare_stack();

  std::unique_ptr<unsigned char[]> stack_;
  void *own_ = nullptr, *caller_ = nullptr;  // stack pointers
  // The address sanitizer must be told of each change of stacks. These are what it asks for.
  [[maybe_unused]] void *fake_own_ = nullptr, *fake_caller_ = nullptr;
  [[maybe_unused]] const void* caller_bottom_ = nullptr;
  [[maybe_unused]] std::size_t caller_size_ = 0;
  void (*body_)(void*) = nullptr;
  void* context_ = nullptr;
  bool ended_ = true;
};

}  // namespace fastfa::emulate

// A stream of the emulated device: work is done in order, and not before somebody waits for it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

namespace fastfa::emulate {

class Queue {
 public:
  using Piece = std::function<void()>;

  static std::shared_ptr<Queue> make();
  // The stream of that handle; 1 and 2 are those that every device has. Throws std::runtime_error if
  // there is none.
  static std::shared_ptr<Queue> of(std::uintptr_t handle);
  std::uintptr_t handle() const { return reinterpret_cast<std::uintptr_t>(this); }

  void push(Piece piece);
  void wait();  // throws std::logic_error while recording

  // From begin to end, what is pushed is kept instead of done.
  void begin_record();
  std::vector<Piece> end_record();
  bool recording() const;

 private:
  mutable std::recursive_mutex mutex_;
  std::vector<Piece> work_, recorded_;
  bool recording_ = false;
};

}  // namespace fastfa::emulate

#include "cuda/emulate/queue.h"

#include <map>
#include <stdexcept>
#include <string>

namespace fastfa::emulate {
namespace {

std::mutex known_mutex;
std::map<std::uintptr_t, std::weak_ptr<Queue>>& known() {
  static std::map<std::uintptr_t, std::weak_ptr<Queue>> queues;
  return queues;
}

}  // namespace

std::shared_ptr<Queue> Queue::make() {
  auto queue = std::make_shared<Queue>();
  const std::lock_guard<std::mutex> lock(known_mutex);
  known()[queue->handle()] = queue;
  return queue;
}

std::shared_ptr<Queue> Queue::of(std::uintptr_t handle) {
  static const std::shared_ptr<Queue> defaults[] = {make(), make()};
  if (handle == 1 || handle == 2) return defaults[handle - 1];
  const std::lock_guard<std::mutex> lock(known_mutex);
  const auto found = known().find(handle);
  std::shared_ptr<Queue> queue = found == known().end() ? nullptr : found->second.lock();
  if (!queue) throw std::runtime_error("there is no stream " + std::to_string(handle));
  return queue;
}

void Queue::push(Piece piece) {
  const std::lock_guard<std::recursive_mutex> lock(mutex_);
  (recording_ ? recorded_ : work_).push_back(std::move(piece));
}

void Queue::wait() {
  const std::lock_guard<std::recursive_mutex> lock(mutex_);
  if (recording_) throw std::logic_error("[emulated device] the host waited while recording");
  std::vector<Piece> work;
  std::swap(work, work_);
  for (const Piece& piece : work) piece();
}

void Queue::begin_record() {
  const std::lock_guard<std::recursive_mutex> lock(mutex_);
  recorded_.clear();
  recording_ = true;
}
std::vector<Queue::Piece> Queue::end_record() {
  const std::lock_guard<std::recursive_mutex> lock(mutex_);
  recording_ = false;
  return std::move(recorded_);
}
bool Queue::recording() const {
  const std::lock_guard<std::recursive_mutex> lock(mutex_);
  return recording_;
}

}  // namespace fastfa::emulate

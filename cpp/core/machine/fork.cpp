#include "core/machine/fork.h"

#include <atomic>
#include <set>

#if !defined(_WIN32)  // where nothing forks
#include <pthread.h>
#endif

namespace fastfa {
namespace {

// None is ever destroyed: other threads may still train while the process ends.
std::set<ForkListener*>& listeners() {
  static auto& all = *new std::set<ForkListener*>;
  return all;
}

std::atomic<int> forks_so_far{0};

#if defined(_WIN32)
const bool handled = true;
#else
void prepare() { process_mutex().lock(); }
void in_parent() { process_mutex().unlock(); }
void in_child() {
  forks_so_far.fetch_add(1, std::memory_order_relaxed);
  for (ForkListener* one : listeners()) one->in_child();
  process_mutex().unlock();
}

const bool handled = (process_mutex(), listeners(), pthread_atfork(prepare, in_parent, in_child) == 0);
#endif

}  // namespace

std::mutex& process_mutex() {
  static auto& one = *new std::mutex;
  return one;
}

int forks() { return forks_so_far.load(std::memory_order_relaxed); }

ForkedWithin::ForkedWithin()
    : std::runtime_error(
          "[Network] the process was forked while a thread worked with this network, or it lives on a "
          "GPU: the child can't use it; make or load one there, or fork before") {}

ForkListener::ForkListener() {
  static_cast<void>(handled);
  const std::lock_guard<std::mutex> lock(process_mutex());
  listeners().insert(this);
}

ForkListener::~ForkListener() {
  const std::lock_guard<std::mutex> lock(process_mutex());
  listeners().erase(this);
}

}  // namespace fastfa

// A process that forks. In the child there is only the thread that forked: what another one held stays
// locked for ever, and what it was writing stays half written.
#pragma once

#include <mutex>
#include <stdexcept>
#include <string>

namespace fastfa {

// The lock of what belongs to the process. Nobody holds it while the process forks, so that a child
// finds it free. Take no other lock while you hold it.
std::mutex& process_mutex();

// How many forks lie between this process and the one that loaded the library.
int forks();

// Thrown in a child process that can't use what it was forked with.
class ForkedWithin : public std::runtime_error {
 public:
  ForkedWithin();
};

// While it lives, its in_child() is called in the child after each fork.
class ForkListener {
 public:
  ForkListener();
  virtual ~ForkListener();
  ForkListener(const ForkListener&) = delete;
  ForkListener& operator=(const ForkListener&) = delete;

  virtual void in_child() = 0;  // process_mutex() is held
};

}  // namespace fastfa

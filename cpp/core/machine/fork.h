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

// Where the child can't go on.
class ForkedWithin : public std::runtime_error {
 public:
  ForkedWithin();
};

// Hears of each fork, in the child, while it lives.
class HearsOfForks {
 public:
  HearsOfForks();
  virtual ~HearsOfForks();
  HearsOfForks(const HearsOfForks&) = delete;
  HearsOfForks& operator=(const HearsOfForks&) = delete;

  virtual void in_child() = 0;  // process_mutex() is held
};

}  // namespace fastfa

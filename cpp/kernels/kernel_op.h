// How the core calls an operation of the kernels.
#pragma once

namespace fastfa {

// How many independent tiles an operation has (from its shape alone, never from the thread count), the
// function that does some of them, and what remains to be done when all are (null: nothing).
template <class Args>
struct Op {
  int (*tiles)(const Args&);
  void (*run)(const Args&, int begin, int end);
  void (*finish)(const Args&);
};

}  // namespace fastfa

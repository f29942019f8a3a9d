// A persistent team of threads: the caller and size − 1 workers. No OpenMP: a second OpenMP runtime in
// the process costs speed, and OpenMP hangs after fork.
//
// Work is a number of tiles that depends on the problem alone, and each is done by one thread: so
// results don't depend on how many there are. As a rule a thread does the same contiguous share every
// time, and data stays in its core's cache from one operation to the next.
#pragma once

#include <memory>

namespace fastfa {

class ThreadTeam {
 public:
  // The process-wide team. A forked child gets a fresh one.
  static std::shared_ptr<ThreadTeam> instance();
  static void resize(int threads);
  static int size();

  // Runs f(begin, end) over [0, tiles) and returns when all of it is done. If another thread is using
  // the team, the caller does everything itself.
  template <class F>
  void run(int tiles, const F& f) {
    if (tiles <= 1) {
      f(0, tiles);
      return;
    }
    dispatch(
        tiles, [](const void* g, int begin, int end) { (*static_cast<const F*>(g))(begin, end); }, &f);
  }

  explicit ThreadTeam(int threads);
  ~ThreadTeam();

 private:
  using Task = void (*)(const void*, int, int);
  void dispatch(int tiles, Task task, const void* context);

  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace fastfa

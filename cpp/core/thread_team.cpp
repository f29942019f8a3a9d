#include "core/thread_team.h"

#include <pthread.h>

#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "fastfa/runtime.h"

namespace fastfa {
namespace {

constexpr int max_threads = 1024;
constexpr int spins_before_sleep = 2000;  // about 100 µs: longer than the gaps within a step
constexpr int spins_before_yield = 1000;  // a worker that is this late has lost its core

inline void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

int default_size() {
  if (const char* text = std::getenv("FASTFA_NUM_THREADS")) {
    char* end = nullptr;
    const long n = std::strtol(text, &end, 10);
    if (end == text || *end != '\0' || n < 1 || n > max_threads) {
      throw std::invalid_argument("[fastfa] FASTFA_NUM_THREADS was '" + std::string(text) +
                                  "'; it must be an integer between 1 and " +
                                  std::to_string(max_threads));
    }
    return static_cast<int>(n);
  }
  const unsigned n = std::thread::hardware_concurrency();  // honours the affinity mask
  return n == 0 ? 1 : static_cast<int>(n);
}

// Never destroyed: other threads may still train while the process ends.
std::mutex& team_mutex = *new std::mutex;  // guards the two below
std::shared_ptr<ThreadTeam>& team = *new std::shared_ptr<ThreadTeam>;
int team_size = 0;

// In a forked child only the forking thread exists, and the old team's locks may be in any state: forget
// it. prepare() took the lock, so the child finds it in a known state.
void prepare() { team_mutex.lock(); }
void in_parent() { team_mutex.unlock(); }
void in_child() {
  new std::shared_ptr<ThreadTeam>(std::move(team));  // leaked on purpose: its threads are gone
  team.reset();
  team_mutex.unlock();
}

}  // namespace

// Work is done in rounds. In each, thread t's share is claimed by whoever moves claimed[t] from the
// round before to this one: thread t itself, or the caller when it is done with its own share and t has
// not begun. So a worker that is asleep, or that lost its core to another process, delays nobody.
struct ThreadTeam::State {
  struct alignas(64) Claim {
    std::atomic<unsigned> round{0};
  };

  std::mutex busy;  // held by the caller whose work is under way
  std::vector<std::thread> workers;

  Task task = nullptr;
  const void* context = nullptr;
  int tiles = 0;
  std::atomic<bool> stop{false};

  std::unique_ptr<Claim[]> claimed;
  alignas(64) std::atomic<unsigned> round{0};
  alignas(64) std::atomic<int> unfinished{0};
  alignas(64) std::atomic<int> sleeping{0};
  std::mutex sleep_mutex;
  std::condition_variable wake;

  int size() const { return static_cast<int>(workers.size()) + 1; }
  int share(int thread) const {
    return static_cast<int>(static_cast<long long>(tiles) * thread / size());
  }
  void work(int thread, unsigned now) {
    unsigned before = now - 1;
    if (!claimed[thread].round.compare_exchange_strong(before, now, std::memory_order_acq_rel)) return;
    const int begin = share(thread), end = share(thread + 1);
    if (begin < end) task(context, begin, end);
    unfinished.fetch_sub(1, std::memory_order_release);
  }

  void start_round() {
    round.fetch_add(1, std::memory_order_seq_cst);
    if (sleeping.load(std::memory_order_seq_cst) > 0) {
      std::lock_guard<std::mutex> lock(sleep_mutex);
      wake.notify_all();
    }
  }

  // The current round, once it is another than `seen`.
  unsigned await_round(unsigned seen) {
    for (int i = 0; i < spins_before_sleep; ++i) {
      const unsigned now = round.load(std::memory_order_acquire);
      if (now != seen) return now;
      relax();
    }
    std::unique_lock<std::mutex> lock(sleep_mutex);
    sleeping.fetch_add(1, std::memory_order_seq_cst);
    wake.wait(lock, [&] { return round.load(std::memory_order_seq_cst) != seen; });
    sleeping.fetch_sub(1, std::memory_order_relaxed);
    return round.load(std::memory_order_acquire);
  }

  void loop(int thread) {
    for (unsigned now = 0;;) {
      now = await_round(now);
      if (stop.load(std::memory_order_acquire)) return;
      work(thread, now);
    }
  }
};

ThreadTeam::ThreadTeam(int threads) : state_(new State) {
  state_->workers.reserve(static_cast<std::size_t>(threads));
  state_->claimed = std::make_unique<State::Claim[]>(static_cast<std::size_t>(threads));
  for (int t = 1; t < threads; ++t) {
    try {
      State* state = state_.get();
      state_->workers.emplace_back([state, t] { state->loop(t); });
    } catch (const std::system_error&) {
      break;  // the system gives no more threads: work with those there are
    }
  }
}

ThreadTeam::~ThreadTeam() {
  state_->stop.store(true, std::memory_order_release);
  state_->start_round();
  for (std::thread& worker : state_->workers) worker.join();
}

void ThreadTeam::dispatch(int tiles, Task task, const void* context) {
  State& s = *state_;
  std::unique_lock<std::mutex> lock(s.busy, std::try_to_lock);
  if (!lock.owns_lock() || s.workers.empty()) {
    task(context, 0, tiles);
    return;
  }
  s.task = task;
  s.context = context;
  s.tiles = tiles;
  s.unfinished.store(s.size(), std::memory_order_relaxed);
  s.start_round();
  const unsigned now = s.round.load(std::memory_order_relaxed);
  for (int thread = 0; thread < s.size(); ++thread) s.work(thread, now);
  for (int i = 0; s.unfinished.load(std::memory_order_acquire) != 0; ++i) {
    if (i < spins_before_yield) {
      relax();
    } else {
      std::this_thread::yield();
    }
  }
}

std::shared_ptr<ThreadTeam> ThreadTeam::instance() {
  std::lock_guard<std::mutex> lock(team_mutex);
  if (!team) {
    static const bool handlers = (pthread_atfork(prepare, in_parent, in_child), true);
    static_cast<void>(handlers);
    if (team_size == 0) team_size = default_size();
    team = std::make_shared<ThreadTeam>(team_size);
  }
  return team;
}

void ThreadTeam::resize(int threads) {
  if (threads < 1 || threads > max_threads) {
    throw std::invalid_argument("[set_num_threads] n was " + std::to_string(threads) +
                                "; it must be between 1 and " + std::to_string(max_threads));
  }
  std::lock_guard<std::mutex> lock(team_mutex);
  if (threads == team_size) return;
  team_size = threads;
  team.reset();  // whoever is using the old team keeps it until done
}

int ThreadTeam::size() {
  std::lock_guard<std::mutex> lock(team_mutex);
  if (team_size == 0) team_size = default_size();
  return team_size;
}

void set_num_threads(int n) { ThreadTeam::resize(n); }
int get_num_threads() { return ThreadTeam::size(); }

}  // namespace fastfa

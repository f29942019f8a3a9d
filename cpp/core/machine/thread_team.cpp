#include "core/machine/thread_team.h"

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <cstdlib>
#include <mutex>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "core/machine/float_mode.h"
#include "core/machine/fork.h"
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

// Never destroyed: other threads may still train while the process ends. process_mutex() guards both.
std::shared_ptr<ThreadTeam>& team = *new std::shared_ptr<ThreadTeam>;
int team_size = 0;

// In a forked child the old team's threads are gone, and its locks may be in any state: forget it.
class ForgetsTeam final : public ForkListener {
  void in_child() override {
    new std::shared_ptr<ThreadTeam>(std::move(team));  // leaked on purpose
    team.reset();
  }
};
ForgetsTeam& forgets_team = *new ForgetsTeam;

}  // namespace

// Each thread has a share of the tiles. It takes them from the front, one at a time; whoever has
// finished takes from the back of another's. So as a rule every thread does the same tiles again and
// again, with its part of the weights in its cache, and yet a worker that sleeps, or that lost its core
// to another process, delays the rest by one tile at the most.
//
// What keeps this right on processors that show writes late or in another order, such as ARM's:
// - The caller writes the task, its data and `unfinished` before put() (release). Whoever takes a tile
//   (acquire) sees all of it: the exchanges on a share belong to the put() that they follow.
// - What a worker wrote comes before its fetch_sub (release), which comes before the caller's last look
//   at `unfinished` (acquire). So the caller sees every result, its next put() shows them to all, and
//   nobody reads `task` while it changes.
// - `round` and `sleeping` only serve to wake threads. The caller changes `round` and then reads
//   `sleeping`; a thread that goes to sleep changes `sleeping` and then reads `round`. All threads see
//   these four in one order (seq_cst). So the caller sees that somebody sleeps, or that thread sees the
//   new round. It holds sleep_mutex while it reads, until it waits; the caller takes sleep_mutex before
//   it wakes. So nobody is woken before he waits.
struct ThreadTeam::State {
  // Tiles still to be taken: first in the low half, end in the high half. Only the caller adds tiles,
  // and only when all are done; so whatever can be taken belongs to the current task.
  struct alignas(64) Share {
    std::atomic<std::uint64_t> tiles{0};

    void put(std::uint64_t first, std::uint64_t end) {
      tiles.store(end << 32 | first, std::memory_order_release);
    }
    int take(bool front) {
      std::uint64_t now = tiles.load(std::memory_order_acquire);
      for (;;) {
        const std::uint64_t first = now & 0xffffffffu, end = now >> 32;
        if (first >= end) return -1;
        const std::uint64_t left = front ? end << 32 | (first + 1) : (end - 1) << 32 | first;
        if (tiles.compare_exchange_weak(now, left, std::memory_order_acq_rel,
                                        std::memory_order_acquire)) {
          return static_cast<int>(front ? first : end - 1);
        }
      }
    }
  };

  const int born = forks();
  std::mutex busy;  // held by the caller whose work is under way
  std::vector<std::thread> workers;
  std::unique_ptr<Share[]> shares;

  Task task = nullptr;
  const void* context = nullptr;
  std::atomic<bool> stop{false};

  alignas(64) std::atomic<unsigned> round{0};
  alignas(64) std::atomic<int> unfinished{0};  // tiles
  alignas(64) std::atomic<int> sleeping{0};
  std::mutex sleep_mutex;
  std::condition_variable wake;

  int size() const { return static_cast<int>(workers.size()) + 1; }

  // Own tiles first, then those of the others.
  void work(int thread) {
    int done = 0;
    for (int i = 0; i < size(); ++i) {
      Share& share = shares[static_cast<std::size_t>((thread + i) % size())];
      for (int tile = share.take(i == 0); tile >= 0; tile = share.take(i == 0)) {
        task(context, tile, tile + 1);
        ++done;
      }
    }
    if (done) unfinished.fetch_sub(done, std::memory_order_release);
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
    const FlushSubnormals flush;
    for (unsigned now = 0;;) {
      now = await_round(now);
      if (stop.load(std::memory_order_acquire)) return;
      work(thread);
    }
  }
};

ThreadTeam::ThreadTeam(int threads) : state_(new State) {
  state_->workers.reserve(static_cast<std::size_t>(threads));
  state_->shares = std::make_unique<State::Share[]>(static_cast<std::size_t>(threads));
  for (int t = 1; t < threads; ++t) {
    try {
      State* state = state_.get();
      state_->workers.emplace_back([state, t] { state->loop(t); });
    } catch (const std::system_error&) {
      break;  // the system refuses more threads: work with those there are
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
  std::unique_lock<std::mutex> lock;
  if (s.born == forks()) lock = std::unique_lock<std::mutex>(s.busy, std::try_to_lock);
  if (!lock.owns_lock() || s.workers.empty()) {
    task(context, 0, tiles);
    return;
  }
  s.task = task;
  s.context = context;
  s.unfinished.store(tiles, std::memory_order_relaxed);
  const std::int64_t n = s.size();
  for (std::int64_t t = 0; t < n; ++t) {
    s.shares[static_cast<std::size_t>(t)].put(static_cast<std::uint64_t>(t * tiles / n),
                                              static_cast<std::uint64_t>((t + 1) * tiles / n));
  }
  s.start_round();
  s.work(0);
  for (int i = 0; s.unfinished.load(std::memory_order_acquire) != 0; ++i) {
    if (i < spins_before_yield) {
      relax();
    } else {
      if (s.born != forks()) throw ForkedWithin();
      std::this_thread::yield();
    }
  }
}

std::shared_ptr<ThreadTeam> ThreadTeam::instance() {
  std::lock_guard<std::mutex> lock(process_mutex());
  if (!team) {
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
  std::lock_guard<std::mutex> lock(process_mutex());
  if (threads == team_size) return;
  team_size = threads;
  team.reset();  // whoever is using the old team keeps it until done
}

int ThreadTeam::size() {
  std::lock_guard<std::mutex> lock(process_mutex());
  if (team_size == 0) team_size = default_size();
  return team_size;
}

void set_num_threads(int n) { ThreadTeam::resize(n); }
int get_num_threads() { return ThreadTeam::size(); }

}  // namespace fastfa

// Values out of range stop a network before an update that could not be trusted. A backend that runs
// ahead of its checks skips the updates from the first such value on, and is asked now and then.
#pragma once

#include <functional>
#include <vector>

#include "core/machine/backend.h"
#include "core/network/batch.h"
#include "core/network/counter.h"

namespace fastfa {

template <class T>
class RangeChecks {
 public:
  // What a check looked at, and in which step.
  struct Site {
    int layer;
    const char* what;
    std::int64_t step, adam_step;
  };

  // The two counters are those of the network's steps; raise() puts them back.
  RangeChecks(Backend<T>& backend, Counter& steps, std::int64_t& adam_steps)
      : backend_(backend), steps_(steps), adam_steps_(adam_steps) {}

  // Of networks in time: the step of the sequences at which a layer went out of range, −1 if it is not
  // known. Null: there is no time.
  std::function<Index(int layer)> when;

  // The flag that kernels set at a value out of range, until the next check().
  int* bad() const { return flags_.data() + sites_.size(); }
  // Throws DivergenceError if it is set. Where the backend runs ahead, raise_pending() throws later.
  void check(int layer, const char* what);
  void raise_pending();
  [[noreturn]] void raise(Site site);
  void forget();  // drops all pending checks

  // A flag for backends that run ahead of the checks: once it is set, updates are skipped. Null where
  // the backend is immediate.
  const int* halted() const { return backend_.immediate() ? nullptr : halted_.data(); }
  // The sums of an epoch, on the device. They begin with those in `result`. reduce() adds those of a
  // step, before its update, and sets halted() if one of its flags is set; it does nothing where the
  // backend is immediate. fetch_sums() writes them back.
  void begin_sums(const EpochResult& result);
  void reduce(const Batch<T>& batch);
  void fetch_sums(EpochResult& result);
  double* loss_sum() const { return loss_sum_.data(); }
  double* missed_sum() const { return missed_sum_.data(); }
  // Examples in these sums.
  Index examples() const { return examples_; }
  void add_examples(Index more) { examples_ += more; }
  // The checks since raise_pending(), for a step that was recorded and not done. `examples`: how many
  // the sums had before it.
  std::vector<Site> take_recorded(Index examples);

 private:
  Backend<T>& backend_;
  Counter& steps_;
  std::int64_t& adam_steps_;
  Buffer<int> flags_, halted_;
  std::vector<Site> sites_;     // one for each flag in use
  std::size_t first_site_ = 0;  // of this step
  Buffer<double> loss_sum_, missed_sum_;
  Buffer<Index> wrong_sum_;
  Index examples_ = 0;
};

}  // namespace fastfa

#include "core/network/range_checks.h"

#include <algorithm>
#include <string>

#include "core/base/messages.h"

namespace fastfa {
namespace {

constexpr Index most_sites = 4096;

}  // namespace

template <class T>
void RangeChecks<T>::forget() {
  const bool ahead = !backend_.immediate();
  if (!flags_) {
    flags_ = Buffer<int>(backend_, 1, ahead ? most_sites : 1);
    halted_ = Buffer<int>(backend_, 1, 1);
    loss_sum_ = Buffer<double>(backend_, 1, 1);
    wrong_sum_ = Buffer<Index>(backend_, 1, 1);
    missed_sum_ = Buffer<double>(backend_, 1, 1);
    if (ahead) sites_.reserve(most_sites);
  }
  std::fill_n(flags_.data(), flags_.cols(), 0);
  sites_.clear();
  first_site_ = 0;
  *halted_.data() = 0;
  *loss_sum_.data() = 0;
  *wrong_sum_.data() = 0;
  *missed_sum_.data() = 0;
  examples_ = 0;
}

template <class T>
void RangeChecks<T>::check(int layer, const char* what) {
  const Site site{layer, what, steps_, adam_steps_};
  if (backend_.immediate()) {
    if (*flags_.data()) raise(site);
    return;
  }
  sites_.push_back(site);
  if (static_cast<Index>(sites_.size()) == flags_.cols()) raise_pending();
}

template <class T>
void RangeChecks<T>::raise_pending() {
  backend_.wait();
  for (std::size_t i = 0; i < sites_.size(); ++i) {
    if (flags_.data()[i]) raise(sites_[i]);
  }
  sites_.clear();
  first_site_ = 0;
}

template <class T>
void RangeChecks<T>::raise(Site site) {
  forget();
  steps_ = site.step;  // those that were asked for since have changed nothing
  adam_steps_ = site.adam_step;
  const Index time = when ? when(site.layer) : -1;
  throw DivergenceError(site.layer, steps_, time,
                        (site.layer < 0 ? "the input" : "layer " + std::to_string(site.layer)) +
                            " at step " + std::to_string(steps_) +
                            (time < 0 ? "" : ", time " + std::to_string(time)) + ": " + site.what +
                            " is NaN, infinite or beyond ±" + text(value_limit<T>) +
                            "; the weights are those before this step");
}

template <class T>
void RangeChecks<T>::reduce(const Batch<T>& batch) {
  if (backend_.immediate()) return;
  backend_.tally({batch.loss.data(), batch.wrong.data(),
                  batch.weight ? batch.weight_rows.data() : nullptr, batch.n,
                  flags_.data() + first_site_, static_cast<Index>(sites_.size() - first_site_),
                  halted_.data(), loss_sum_.data(), wrong_sum_.data(), missed_sum_.data()});
  first_site_ = sites_.size();
  examples_ += batch.n;
}

template <class T>
void RangeChecks<T>::begin_sums(const EpochResult& result) {
  raise_pending();
  *loss_sum_.data() = result.loss;
  *missed_sum_.data() = result.missed;
  *wrong_sum_.data() = 0;
  examples_ = 0;
}

template <class T>
void RangeChecks<T>::fetch_sums(EpochResult& result) {
  raise_pending();
  result.loss = *loss_sum_.data();
  result.missed = *missed_sum_.data();
  result.wrong += *wrong_sum_.data();
  result.examples += examples_;
}

template <class T>
std::vector<typename RangeChecks<T>::Site> RangeChecks<T>::take_recorded(Index examples) {
  std::vector<Site> sites = sites_;
  sites_.clear();
  first_site_ = 0;
  examples_ = examples;
  return sites;
}

template class RangeChecks<float>;
template class RangeChecks<double>;

}  // namespace fastfa

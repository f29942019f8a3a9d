// Tiny networks on a device, each in a block of its own, all in one launch. They need not be of a kind.
#pragma once

#include <vector>

#include "core/network/network_impl.h"

namespace fastfa {

template <class T>
class Blocks {
 public:
  struct Member {
    const std::vector<TinyLayer<T>>* layers;
    Loss loss;
    T rate, decay;
    T* input;
    EpochResult* result;  // added to
  };

  // Runs on the stream of `backend`: nothing of any member may be under way on another.
  explicit Blocks(Backend<T>& backend) : backend_(backend) {}

  // What all of them learn from. In slots that no single network uses.
  void set_examples(MatrixView<const T> x, MatrixView<const T> y, const Index* order, Index n,
                    const T* sample_weight) {
    const auto bytes = [](const MatrixView<const T>& m) {
      return m.rows == 0 ? std::size_t{0}
                         : static_cast<std::size_t>((m.rows - 1) * m.row_stride + m.cols) * sizeof(T);
    };
    x_ = x;
    y_ = y;
    x_.data = static_cast<const T*>(backend_.readable(3, x.data, bytes(x)));
    y_.data = static_cast<const T*>(backend_.readable(4, y.data, bytes(y)));
    order_ = static_cast<const Index*>(
        backend_.readable(5, order, static_cast<std::size_t>(n) * sizeof(Index)));
    if (!sample_weight) return;
    const auto size = static_cast<std::size_t>(x.rows) * sizeof(T);
    weight_ = static_cast<const T*>(backend_.readable(7, sample_weight, size));
  }

  // Steps with examples order[at … at + n): how many each has done.
  std::vector<Index> run(const std::vector<Member>& members, Index at, Index n) {
    std::vector<Index> done(members.size()), wrong(members.size());
    std::vector<TinyRun<T>> runs;
    for (std::size_t i = 0; i < members.size(); ++i) {
      const Member& m = members[i];
      runs.push_back(
          {{m.layers->data(), static_cast<Index>(m.layers->size()), m.loss, rows_of(x_), order_ + at,
            rows_of(y_), n, &m.result->loss, &wrong[i], &m.result->missed, &done[i], weight_}});
      runs.back().rate = m.rate;
      runs.back().decay = m.decay;
      runs.back().input = m.input;
    }
    if (!runs.empty()) backend_.tiny_together(runs.data(), static_cast<Index>(runs.size()));
    for (std::size_t i = 0; i < members.size(); ++i) {
      members[i].result->wrong += wrong[i];
      members[i].result->examples += done[i];
    }
    return done;
  }

 private:
  Backend<T>& backend_;
  MatrixView<const T> x_, y_;
  const Index* order_ = nullptr;
  const T* weight_ = nullptr;
};

}  // namespace fastfa

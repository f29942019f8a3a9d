// Sums over the examples of a large batch, in parts as on the CPU: short chains of T, then chains of
// these, then double, of which some devices do few.
#pragma once

#include "cuda/portable.cuh"

namespace fastfa::cuda {

constexpr int short_chain = 64;  // additions one after the other
constexpr int chains_in_T = 16;  // then

// A sum of n terms, one after the other; n ≤ k_block makes a single chain.
template <class T>
class LongSum {
 public:
  __device__ explicit LongSum(Index n) : long_(n > k_block) {}
  __device__ void add(T x) {
    sum_ += x;
    if (long_ && ++count_ == short_chain) fold();
  }
  __device__ T result() const { return long_ ? static_cast<T>(whole_ + sum_) : sum_; }

 private:
  __device__ void fold() {
    whole_ += sum_;
    sum_ = T(0);
    count_ = 0;
  }
  T sum_ = T(0);
  double whole_ = 0;
  int count_ = 0;
  bool long_;
};

// The same for the elements of C that a thread has. The sum of each chain is added to `recent`; after a
// fixed number of chains `recent` is added to `whole`. step: the number of chains before this one.
template <class T, int n>
struct LongSums {
  T recent[n] = {};
  double whole[n] = {};

  __device__ void fold(T* sum, Index step) {
    const bool full = step % chains_in_T == chains_in_T - 1;
#pragma unroll
    for (int i = 0; i < n; ++i) {
      recent[i] += sum[i];
      sum[i] = T(0);
      if (!full) continue;
      whole[i] += recent[i];
      recent[i] = T(0);
    }
  }
  __device__ void finish(T* sum) const {
#pragma unroll
    for (int i = 0; i < n; ++i) sum[i] = static_cast<T>(whole[i] + (recent[i] + sum[i]));
  }
};

}  // namespace fastfa::cuda

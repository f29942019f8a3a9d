// The batch: rows order[…] of x (examples, cols), copied to h (n, cols) while it is found out whether
// every value is fit to train on.
#pragma once

#include "cuda/math.cuh"

namespace fastfa::cuda {

template <class T>
__global__ void gather(Gather<T> g) {
  for (Index i = thread_of_grid(); i < g.n * g.cols; i += threads_of_grid()) {
    const Index n = i / g.cols, c = i % g.cols;
    const T x = g.x[g.order[n]][c];
    report_beyond(x, g.bad);
    g.h[n][c] = x;
  }
}

}  // namespace fastfa::cuda

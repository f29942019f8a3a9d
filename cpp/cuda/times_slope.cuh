// delta ← factor[row] · delta ∘ σ′(h).
#pragma once

#include "cuda/math.cuh"

namespace fastfa::cuda {

template <class T>
__global__ void times_slope(TimesSlope<T> g) {
  for (Index i = thread_of_grid(); i < g.n * g.cols; i += threads_of_grid()) {
    const Index n = i / g.cols, c = i % g.cols;
    T delta = g.delta[n][c];
    if (g.factor) delta *= static_cast<T>(g.factor[n]);
    if (g.activation.kind != Activation::linear) {
      delta *= slope(g.h[n][c], g.activation);
    }
    report_beyond(delta, g.bad);
    g.delta[n][c] = delta;
  }
}

}  // namespace fastfa::cuda

// The host's part of tiny_run.cuh: one launch for all runs, and their results.
#pragma once

#include <algorithm>

#include "cuda/launch.cuh"
#include "cuda/tiny_run.cuh"

namespace fastfa::cuda {

// The runs as the device has them: layers, results and the runs themselves, side by side.
template <class T>
void tiny_together(Device& device, Scratch& room, const TinyRun<T>* runs, Index count) {
  struct Result {
    double loss, missed;
    Index wrong, done;
  };
  Index layers = 0;
  for (Index i = 0; i < count; ++i) layers += runs[i].count;
  const auto of = [](Index n, std::size_t each) { return static_cast<std::size_t>(n) * each; };
  const std::size_t bytes =
      of(count, sizeof(Result)) + of(count, sizeof(TinyRun<T>)) + of(layers, sizeof(TinyLayer<T>));
  device.wait();
  if (room.bytes < bytes) room = {device.allocate(bytes), bytes};
  auto* results = static_cast<Result*>(room.memory.get());
  auto* own = reinterpret_cast<TinyRun<T>*>(results + count);
  auto* layer = reinterpret_cast<TinyLayer<T>*>(own + count);
  for (Index i = 0; i < count; ++i) {
    const TinyRun<T>& r = runs[i];
    results[i] = {*r.loss_sum, r.weight ? *r.missed : 0.0, 0, 0};
    own[i] = r;
    own[i].layers = layer;
    own[i].loss_sum = &results[i].loss;
    own[i].wrong = &results[i].wrong;
    own[i].missed = &results[i].missed;
    own[i].done = &results[i].done;
    layer = std::copy_n(r.layers, r.count, layer);
    device.require("tiny_run", r.x, r.y, r.order, r.weight);
    for (Index l = 0; l < r.count; ++l) {
      const TinyLayer<T>& at = r.layers[l];
      device.require("tiny_run", at.w, at.bias, at.h, at.delta, at.b, at.source);
    }
  }
  device.launch("tiny_run", grid_of(count), block_of(tiny_threads), cuda::tiny_run<T>,
                static_cast<const TinyRun<T>*>(own));
  device.wait();
  for (Index i = 0; i < count; ++i) {
    *runs[i].loss_sum = results[i].loss;
    if (runs[i].weight) *runs[i].missed = results[i].missed;
    *runs[i].wrong += results[i].wrong;
    *runs[i].done = results[i].done;
  }
}

}  // namespace fastfa::cuda

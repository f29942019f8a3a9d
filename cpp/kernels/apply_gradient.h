// The optimizer's step with a gradient that lies in memory, for steps that limit gradients first.
#pragma once

#include "kernels/learn.h"

namespace fastfa {
namespace {

template <class T>
int apply_gradient_tiles(const ApplyGradient<T>& u) {
  return static_cast<int>(max(Index{1}, min(max_row_chunks, u.count / 4096)));
}

template <class T>
void apply_gradient_run(const ApplyGradient<T>& u, int tile, int tile_end) {
  const Index tiles = apply_gradient_tiles(u), vectors = u.count / lanes<T>;
  const Vec<T> top = Vec<T>{} + u.limit;
  for (Index i = tile * vectors / tiles; i < tile_end * vectors / tiles; ++i) {
    const Index at = i * lanes<T>;
    const Vec<T> g = load(u.gradient + at);
    const Slot<T> slot{u.w + at, u.v ? u.v + at : nullptr, u.s ? u.s + at : nullptr};
    apply(u, slot, g > top ? top : g < -top ? -top : g, u.decay);
  }
}

}  // namespace
}  // namespace fastfa

// What an optimizer does to one parameter.
#pragma once

#include "core/machine/replay_state.h"
#include "cuda/portable.cuh"

namespace fastfa::cuda {

// As on the CPU: squares of gradients stay in range, and so do steps where s has faded faster than v.
template <class T>
__device__ inline T limited(T x) {
  constexpr T top = sizeof(T) == 4 ? T(1e18) : T(1e150);
  return x > top ? top : x < -top ? -top : x;
}

// A parameter at `at` of w, with its memory in v and s (null: none).
template <class T>
__device__ inline void apply(const Learning<T>& u, T* w, T* v, T* s, Index at, T gradient, T decay) {
  const T old = w[at];
  T step = u.rate * gradient;
  if (decay != 0 && !u.decoupled) step -= decay * old;
  if (s) {
    const T g = limited(step);
    const T mean = v ? v[at] + u.fresh * (g - v[at]) : g, square = s[at] + u.fresh2 * (g * g - s[at]);
    if (v) v[at] = mean;
    s[at] = square;
    const T next = old + limited(u.step * mean / (u.root * sqrt(square) + u.epsilon));
    w[at] = u.decoupled ? next - decay * old : next;
    return;
  }
  if (v) {
    const T g = step;
    step += u.momentum * v[at];
    v[at] = step;
    if (u.nesterov) step = g + u.momentum * step;
  }
  w[at] = old + step;
}

// What the optimizer does at this step: of a recorded one, step and root are looked up.
template <class T>
__device__ inline Learning<T> learning_now(const Learning<T>& u, const T* s, const ReplayState* replay) {
  Learning<T> now = u;
  if (s && replay) {
    now.step = now.bias_step = static_cast<T>(replay->adam_step);
    now.root = static_cast<T>(replay->adam_root);
  }
  return now;
}

template <class T>
__device__ inline bool is_halted(const Learning<T>& u) {
  return u.halted && *u.halted != 0;
}

}  // namespace fastfa::cuda

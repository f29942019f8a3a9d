// What an optimizer does to one vector of parameters.
#pragma once

#include "kernels/math.h"

namespace fastfa {
namespace {

// What one vector of parameters has: its values and the optimizer's memory of them (null: none).
template <class T>
struct Slot {
  T *w, *v, *s;
};
// Adam's squares of gradients stay in range: no gradient that isn't lost anyway is this large.
template <class T>
constexpr T adam_limit = sizeof(T) == 4 ? T(1e18) : T(1e150);

template <class T>
inline void apply_adam(const Learning<T>& u, Slot<T> p, Vec<T> g) {
  const Vec<T> top = Vec<T>{} + adam_limit<T>;
  g = g > top ? top : g < -top ? -top : g;
  const Vec<T> v = u.momentum * load(p.v) + (T(1) - u.momentum) * g;
  const Vec<T> s = u.beta2 * load(p.s) + (T(1) - u.beta2) * (g * g);
  store(p.v, v);
  store(p.s, s);
  alignas(64) Vec<T> root = s;
  Eigen::Map<Eigen::Array<T, lanes<T>, 1>, Eigen::AlignedMax> map(reinterpret_cast<T*>(&root));
  map = map.sqrt();
  store(p.w, load(p.w) + u.step * v / (u.root * root + u.epsilon));
}

// One vector: `first` and `last` mark the ends of a batch that is taken in pieces (never for Adam).
template <class T>
inline void apply(const Learning<T>& u, Slot<T> p, Vec<T> gradient, T decay, bool first, bool last) {
  const Vec<T> old = load(p.w);
  Vec<T> step = u.rate * gradient;
  if (first && decay != 0) step -= decay * old;
  if (p.s) return apply_adam(u, p, step);
  if (p.v) {
    const Vec<T> before = load(p.v);
    step += first ? u.momentum * before : before;
    store(p.v, step);
    if (last) store(p.w, old + step);
  } else {
    store(p.w, old + step);
  }
}

}  // namespace
}  // namespace fastfa

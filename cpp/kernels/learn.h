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
// Adam's gradients and steps are cut off beyond this, so that their squares stay in range, also where s
// has faded faster than v. Only a training that has failed already comes near it.
template <class T>
constexpr T adam_limit = sizeof(T) == 4 ? T(1e18) : T(1e150);
template <class T>
inline Vec<T> limited(Vec<T> x) {
  const Vec<T> top = Vec<T>{} + adam_limit<T>;
  return x > top ? top : x < -top ? -top : x;
}

template <class T>
inline void apply_adam(const Learning<T>& u, Slot<T> p, Vec<T> g) {
  g = limited<T>(g);
  const Vec<T> before = load(p.v), squares = load(p.s);
  const Vec<T> v = before + u.fresh * (g - before), s = squares + u.fresh2 * (g * g - squares);
  store(p.v, v);
  store(p.s, s);
  alignas(64) Vec<T> root = s;
  Eigen::Map<Eigen::Array<T, lanes<T>, 1>, Eigen::AlignedMax> map(reinterpret_cast<T*>(&root));
  map = map.sqrt();
  store(p.w, load(p.w) + limited<T>(u.step * v / (u.root * root + u.epsilon)));
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

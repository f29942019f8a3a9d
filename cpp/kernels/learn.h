// What an optimizer does to one vector of parameters.
#pragma once

#include <type_traits>

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
inline void apply_adam(const Learning<T>& u, Slot<T> p, Vec<T> g, T decay) {
  g = limited<T>(g);
  Vec<T> v = g;
  if (p.v) {
    const Vec<T> before = load(p.v);
    v = before + u.fresh * (g - before);
    store(p.v, v);
  }
  const Vec<T> squares = load(p.s), s = squares + u.fresh2 * (g * g - squares);
  store(p.s, s);
  alignas(64) Vec<T> root = s;
  Eigen::Map<Eigen::Array<T, lanes<T>, 1>, Eigen::AlignedMax> map(reinterpret_cast<T*>(&root));
  map = map.sqrt();
  const Vec<T> old = load(p.w);
  Vec<T> next = old + limited<T>(u.step * v / (u.root * root + u.epsilon));
  if (u.decoupled) next -= decay * old;
  store(p.w, next);
}

// Does a loop take steps of plain momentum? Asked once, so that each vector need not ask.
enum class Way { momentum, any };
template <Way way>
using WayOf = std::integral_constant<Way, way>;
template <class T, class F>
__attribute__((always_inline)) inline void with_way(const Learning<T>& u, const T* v, const T* s,
                                                    F&& f) {
  if (v && !s && !u.nesterov) return f(WayOf<Way::momentum>());
  f(WayOf<Way::any>());
}

// One vector takes a step, by the gradient of the whole batch.
template <Way way = Way::any, class T>
inline void apply(const Learning<T>& u, Slot<T> p, Vec<T> gradient, T decay) {
  const Vec<T> old = load(p.w);
  Vec<T> step = u.rate * gradient;
  if (decay != 0 && (way == Way::momentum || !u.decoupled)) step -= decay * old;
  if (way == Way::any && p.s) return apply_adam(u, p, step, decay);
  if (way == Way::momentum || p.v) {
    const Vec<T> g = step;
    step += u.momentum * load(p.v);
    store(p.v, step);
    if (way == Way::any && u.nesterov) step = g + u.momentum * step;
  }
  store(p.w, old + step);
}

}  // namespace
}  // namespace fastfa

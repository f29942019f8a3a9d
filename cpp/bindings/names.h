// The names by which Python speaks of the core's choices: one list each, read by the bindings, by the
// Python package and by its tests.
#pragma once

#include <pybind11/pybind11.h>

#include <stdexcept>
#include <string>

#include "fastfa/types.h"

namespace fastfa {

template <class E>
struct Names;

#define FASTFA_NAMES(E, argument_name, ...)                \
  template <>                                              \
  struct Names<E> {                                        \
    static constexpr const char* argument = argument_name; \
    static constexpr const char* list[] = {__VA_ARGS__};   \
  }
FASTFA_NAMES(Activation, "activation", "linear", "logistic", "tanh", "relu", "leaky_relu", "softmax");
FASTFA_NAMES(Loss, "loss", "squared_error", "cross_entropy");
FASTFA_NAMES(Matrix, "matrix", "transpose", "uniform", "normal", "array", "zero");
FASTFA_NAMES(Route, "route", "layerwise", "direct");
FASTFA_NAMES(Reduction, "reduction", "mean", "sum");
#undef FASTFA_NAMES

template <class E>
pybind11::tuple names() {
  pybind11::list all;
  for (const char* name : Names<E>::list) all.append(name);
  return pybind11::tuple(all);
}

template <class E>
E parse(const std::string& name) {
  int value = 0;
  std::string known;
  for (const char* each : Names<E>::list) {
    if (name == each) return static_cast<E>(value);
    known += std::string(known.empty() ? "'" : ", '") + each + "'";
    ++value;
  }
  throw std::invalid_argument(std::string("[fastfa] ") + Names<E>::argument + " was '" + name +
                              "'; it must be one of " + known);
}

}  // namespace fastfa

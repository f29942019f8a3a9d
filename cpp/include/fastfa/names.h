// The names by which people speak of a network's choices: one list each, read by error messages, by the
// bindings, by the Python package and by its tests.
#pragma once

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
FASTFA_NAMES(Activation, "activation", "linear", "logistic", "tanh", "relu", "leaky_relu", "softmax",
             "hard_tanh", "softplus", "elu", "gelu", "silu", "custom");
FASTFA_NAMES(Loss, "loss", "squared_error", "cross_entropy");
FASTFA_NAMES(Matrix, "matrix", "transpose", "pseudoinverse", "sign", "uniform", "normal", "orthogonal",
             "sparse", "low_rank", "binary", "ternary", "hadamard", "procedural", "array", "zero",
             "custom");
FASTFA_NAMES(Route, "route", "layerwise", "direct", "target");
FASTFA_NAMES(Plasticity, "plasticity", "fixed", "kolen_pollack", "weight_mirror");
FASTFA_NAMES(Magnitude, "magnitude", "uniform", "fixed", "redrawn", "array");
FASTFA_NAMES(Reduction, "reduction", "mean", "sum");
FASTFA_NAMES(Patches, "patches", "own", "shared", "average", "max");
FASTFA_NAMES(Memory, "memory", "none", "velocity", "adam", "squares");
FASTFA_NAMES(Part, "part", "weights", "biases", "feedback");
FASTFA_NAMES(NoisyLayers, "layers", "all", "hidden");
FASTFA_NAMES(NoiseOn, "noise_on", "pre_activation", "activation");
FASTFA_NAMES(RecurrentFeedback, "recurrent_feedback", "zero", "transpose", "random");
FASTFA_NAMES(TimeUpdate, "update", "sequence", "step", "window");
#undef FASTFA_NAMES

template <class E>
const char* name(E value) {
  return Names<E>::list[static_cast<int>(value)];
}

// Other names that are understood.
struct Alias {
  const char* alias;
  const char* name;
};
constexpr Alias aliases[] = {{"identity", "linear"},    {"sigmoid", "logistic"},
                             {"hardtanh", "hard_tanh"}, {"swish", "silu"},
                             {"mse", "squared_error"},  {"crossentropy", "cross_entropy"}};

template <class E>
E parse(const std::string& given) {
  std::string text = given;
  for (const Alias& each : aliases) {
    if (given == each.alias) text = each.name;
  }
  int value = 0;
  std::string known;
  for (const char* each : Names<E>::list) {
    if (text == each) return static_cast<E>(value);
    known += std::string(known.empty() ? "'" : ", '") + each + "'";
    ++value;
  }
  throw std::invalid_argument(std::string("[fastfa] ") + Names<E>::argument + " was '" + given +
                              "'; it must be one of " + known);
}

}  // namespace fastfa

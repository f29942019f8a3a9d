#include "capi/convert.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <string>

#include "capi/guard.h"
#include "core/base/messages.h"
#include "core/base/sizes.h"
#include "fastfa/names.h"

namespace fastfa {
namespace {

// Where the structs of version 1 of the ABI end; what is added to them later comes after.
template <class S>
constexpr std::size_t smallest = 0;
template <>
constexpr std::size_t smallest<fastfa_layer> =
    offsetof(fastfa_layer, same_padding) + sizeof(std::int32_t);
template <>
constexpr std::size_t smallest<fastfa_feedback> = offsetof(fastfa_feedback, user) + sizeof(void*);
template <>
constexpr std::size_t smallest<fastfa_config> = offsetof(fastfa_config, device) + sizeof(char*);
template <>
constexpr std::size_t smallest<fastfa_sequences> = offsetof(fastfa_sequences, window);
template <>
constexpr std::size_t smallest<fastfa_optimizer> = offsetof(fastfa_optimizer, epsilon) + sizeof(double);

const fastfa_layer layer_defaults = FASTFA_LAYER_INIT;
const fastfa_feedback feedback_defaults = FASTFA_FEEDBACK_INIT;
const fastfa_config config_defaults = FASTFA_CONFIG_INIT;
const fastfa_optimizer optimizer_defaults = FASTFA_SGD_INIT;
const fastfa_sequences sequences_defaults = FASTFA_SEQUENCES_INIT;

// A struct of the caller's as ours. His header may be older, and his struct shorter, or newer and
// longer: what he doesn't have is as in `defaults`, what we don't know must be zero.
template <class S>
S received(const char* name, const void* given, const S& defaults) {
  std::size_t size = 0;
  std::memcpy(&size, given, sizeof size);
  if (size < smallest<S> || size > 16 * sizeof(S)) {
    refuse(std::string("[") + name + "] struct_size was " + std::to_string(size) +
           "; it must be sizeof(" + name + "), as its _INIT makes it");
  }
  S own = defaults;
  std::memcpy(&own, given, size < sizeof(S) ? size : sizeof(S));
  const auto* bytes = static_cast<const unsigned char*>(given);
  for (std::size_t i = sizeof(S); i < size; ++i) {
    if (bytes[i] != 0) {
      refuse(std::string("[") + name + "] has settings that this version of the library doesn't know");
    }
  }
  return own;
}

// One of the caller's. The weight mirror was an average before it had settings for growth and decay.
fastfa_feedback received_feedback(const void* given) {
  std::size_t size = 0;
  std::memcpy(&size, given, sizeof size);
  fastfa_feedback defaults = feedback_defaults;
  if (size < offsetof(fastfa_feedback, mirror_centred) + sizeof(std::int32_t)) {
    defaults.mirror_growth = 0.0;
    defaults.mirror_decay = -1.0;
    defaults.mirror_centred = 1;
  }
  return received("fastfa_feedback", given, defaults);
}

// Element i of the caller's array, whose elements are as long as the first one says.
const void* element(const void* array, std::int64_t i) {
  std::size_t size = 0;
  std::memcpy(&size, array, sizeof size);
  return static_cast<const unsigned char*>(array) + static_cast<std::size_t>(i) * size;
}

template <class E>
E choice(const char* text) {
  return parse<E>(text ? text : "NULL");
}

FeedbackSpec feedback_spec(const fastfa_feedback& given);

LayerSpec layer_spec(const fastfa_layer& given) {
  LayerSpec layer;
  layer.units = given.units;
  layer.activation = choice<Activation>(given.activation);
  if (!(given.weight_scale < 0)) layer.weight_scale = given.weight_scale;
  layer.bias = given.bias != 0;
  layer.trainable = given.trainable != 0;
  layer.density = given.density;
  layer.dropout = given.dropout;
  layer.leaky_slope = given.leaky_slope;
  layer.lr_scale = given.lr_scale;
  layer.decay_scale = given.decay_scale;
  layer.bias_lr_scale = given.bias_lr_scale;
  layer.bias_decay_scale = given.bias_decay_scale;
  layer.recurrent = {given.tau,
                     given.recurrent_scale,
                     choice<RecurrentFeedback>(given.recurrent_feedback),
                     {},
                     given.input_delay};
  if (given.recurrent_matrix) {
    layer.recurrent.matrix = feedback_spec(received_feedback(given.recurrent_matrix));
  }
  if (given.activate) {
    layer.activator = [call = given.activate, user = given.user](const double* a, std::int64_t n,
                                                                 std::int64_t units, double* h,
                                                                 double* slope) {
      const std::int32_t status = call(user, a, n, units, h, slope);
      if (status != 0) {
        throw CallbackError("[fastfa_layer] activate returned " + std::to_string(status) +
                            "; the call was not made");
      }
    };
  }
  if (given.maps != 0) {
    layer.local = {given.channels,
                   given.height,
                   given.width,
                   given.maps,
                   given.kernel_h,
                   given.kernel_w,
                   given.stride_h,
                   given.stride_w,
                   given.same_padding != 0,
                   choice<Patches>(given.patches)};
  }
  return layer;
}

FeedbackSpec feedback_spec(const fastfa_feedback& given) {
  FeedbackSpec f;
  f.matrix = choice<Matrix>(given.matrix);
  f.route = choice<Route>(given.route);
  f.plasticity = choice<Plasticity>(given.plasticity);
  f.magnitude = choice<Magnitude>(given.magnitude);
  f.equal_error = given.scale < 0;
  f.scale = f.equal_error ? 0.0 : given.scale;
  f.gain = given.gain;
  if (given.growth != 0) f.growth = given.growth;
  f.before_slope = given.before_slope != 0;
  f.density = given.density;
  f.rank = given.rank;
  f.refresh = given.refresh;
  if (has_array(f)) {
    if (!given.array || given.rows < 1 || given.cols < 1 || given.rows >= largest ||
        given.cols >= largest) {
      refuse(
          "[fastfa_feedback] array was null or without rows and columns; for 'array' it must be B, "
          "or the magnitudes");
    }
    f.rows = given.rows;
    f.cols = given.cols;
    f.values.assign(given.array, given.array + given.rows * given.cols);
  }
  const bool averages = given.mirror_lr != 0;
  f.mirror_growth = averages ? 0.0 : given.mirror_growth;
  f.mirror_decay = averages ? given.mirror_lr : given.mirror_decay;
  f.mirror_centred = averages || given.mirror_centred != 0;
  f.mirror_noise = given.mirror_noise;
  f.mirror_every = given.mirror_every;
  f.in_bf16 = given.in_bf16 != 0;
  if (given.propagate) {
    f.propagator = [call = given.propagate, user = given.user](const double* delta, std::int64_t n,
                                                               std::int64_t n_source, double* out,
                                                               std::int64_t n_l) {
      const std::int32_t status = call(user, delta, n, n_source, out, n_l);
      if (status != 0) {
        throw CallbackError("[fastfa_feedback] propagate returned " + std::to_string(status) +
                            "; the step was not made");
      }
    };
  }
  return f;
}

}  // namespace

std::vector<FeedbackSpec> feedback_specs(const fastfa_feedback* feedback, std::int64_t n,
                                         std::int64_t hidden) {
  std::vector<FeedbackSpec> specs;
  if (n < 0 || (n > 0 && !feedback)) {
    refuse("[fastfa_feedback] there were " + std::to_string(n) +
           " of them; the array must be there, and n not negative");
  }
  for (std::int64_t i = 0; i < n; ++i) {
    specs.push_back(feedback_spec(received_feedback(element(feedback, i))));
  }
  if (n == 1 && hidden != 1) {
    const FeedbackSpec one = specs[0];
    specs.assign(static_cast<std::size_t>(hidden), one);
  }
  return specs;
}

NetworkSpec network_spec(const fastfa_config* config) {
  if (!config) refuse("[fastfa_config] was null; it must describe a network");
  const fastfa_config given = received("fastfa_config", config, config_defaults);
  NetworkSpec spec;
  spec.inputs = given.inputs;
  if (given.n_layers < 1 || !given.layers) {
    refuse("[fastfa_config] n_layers was " + std::to_string(given.n_layers) +
           "; there must be at least one layer");
  }
  for (std::int64_t i = 0; i < given.n_layers; ++i) {
    spec.layers.push_back(
        layer_spec(received("fastfa_layer", element(given.layers, i), layer_defaults)));
  }
  const auto with_weights = std::count_if(spec.layers.begin(), spec.layers.end(),
                                          [](const LayerSpec& layer) { return !is_pooling(layer); });
  const std::int64_t hidden = with_weights > 0 ? with_weights - 1 : 0;
  const bool usual = given.n_feedback == 0 && given.perturbation == 0;
  spec.feedback = usual ? std::vector<FeedbackSpec>(static_cast<std::size_t>(hidden))
                        : feedback_specs(given.feedback, given.n_feedback, hidden);
  spec.loss = choice<Loss>(given.loss);
  spec.seed = given.seed;
  spec.perturbation = {given.perturbation, choice<NoisyLayers>(given.noisy_layers),
                       choice<NoiseOn>(given.noise_on)};
  spec.input_dropout = given.input_dropout;
  if (!given.device) refuse("[fastfa_config] device was null; it must be 'cpu' or one such as 'cuda'");
  spec.device = given.device;
  return spec;
}

std::string matmul_precision(const fastfa_config* config) {
  const char* const given = received("fastfa_config", config, config_defaults).matmul_precision;
  return given ? given : "NULL";
}

SequencePlan sequence_plan(const fastfa_sequences* plan) {
  if (!plan) refuse("[fastfa_sequences] was null; it must say how long sequences are");
  const fastfa_sequences given = received("fastfa_sequences", plan, sequences_defaults);
  return {given.times,      choice<TimeUpdate>(given.update),
          given.batch_size, given.order,
          given.n,          given.carry != 0,
          given.window};
}

Optimizer optimizer_of(const fastfa_optimizer* optimizer) {
  if (!optimizer) {
    refuse("[fastfa_optimizer] was null; it must be an optimizer, such as FASTFA_SGD_INIT makes");
  }
  const fastfa_optimizer given = received("fastfa_optimizer", optimizer, optimizer_defaults);
  const char* rule = given.rule ? given.rule : "NULL";
  struct Field {
    const char *name, *setting;
    double value;
    bool zero_elsewhere;  // must it be 0 for an optimizer that doesn't have it?
    bool taken = false;
  };
  Field fields[] = {{"lr", "lr", given.lr, false},
                    {"momentum", "momentum", given.momentum, true},
                    {"weight_decay", "weight_decay", given.weight_decay, true},
                    {"sum", "reduction", given.sum ? 1.0 : 0.0, true},
                    {"beta1", "beta1", given.beta1, false},
                    {"beta2", "beta2", given.beta2, false},
                    {"epsilon", "epsilon", given.epsilon, false},
                    {"nesterov", "nesterov", given.nesterov ? 1.0 : 0.0, true},
                    {"rho", "rho", given.rho, false},
                    {"clip_norm", "clip_norm", given.clip_norm, false},
                    {"clip_value", "clip_value", given.clip_value, false}};
  Optimizer own = optimizer_named(rule);
  const auto read = [&](const char* setting, auto& value) {
    for (Field& field : fields) {
      if (std::strcmp(field.setting, setting) != 0) continue;
      value = static_cast<std::remove_reference_t<decltype(value)>>(field.value);
      field.taken = true;
    }
  };
  std::visit([&](auto& o) { for_settings(o, read); }, own);
  for (const Field& field : fields) {
    if (field.taken || !field.zero_elsewhere || field.value == 0) continue;
    refuse(std::string("[fastfa_optimizer] ") + field.name + " was " + text(field.value) + " for '" +
           rule + "'; it must be 0");
  }
  return own;
}

}  // namespace fastfa

extern "C" fastfa_status fastfa_preset(const char* name, fastfa_feedback* feedback) {
  return fastfa::guarded([&] {
    if (!name || !feedback)
      fastfa::refuse("[fastfa_preset] was given null; it must be a name and a place");
    fastfa_feedback own = fastfa::received("fastfa_feedback", feedback, fastfa::feedback_defaults);
    const fastfa::FeedbackSpec f = fastfa::preset(name);
    own.matrix = fastfa::name(f.matrix);
    own.route = fastfa::name(f.route);
    own.plasticity = fastfa::name(f.plasticity);
    own.magnitude = fastfa::name(f.magnitude);
    own.scale = -1.0;
    own.gain = 0.0;
    own.growth = 0.0;
    own.before_slope = 0;
    if (f.matrix == fastfa::Matrix::sparse) own.density = f.density;
    // struct_size is what it was, and so the caller's own.
    std::memcpy(feedback, &own, std::min(own.struct_size, sizeof own));
  });
}

// What a network may be. Python checks the same where it is said, for a better
// message; this is for embedders.
#include "core/network/checks.h"

#include <string>

#include "core/layers/layer.h"
#include "fastfa/names.h"

namespace fastfa {
template <class T>
void check_spec(const NetworkSpec& spec) {
  const auto bad_size = [](Index n) { return n < 1 || n >= largest; };
  if (bad_size(spec.inputs)) {
    refuse("[Network] input was " + std::to_string(spec.inputs) +
           "; it must be a positive integer below 2^31");
  }
  if (!(spec.input_dropout >= 0 && spec.input_dropout < 1)) {
    refuse("[Network] input_dropout was " + text(spec.input_dropout) + "; it must be in [0, 1)");
  }
  if (spec.layers.empty()) refuse("[Network] layers was empty; it must have at least one layer");
  Index n_in = spec.inputs;
  const bool in_time = is_in_time(spec.layers);
  bool above_recurrent = false;
  for (std::size_t l = 0; l < spec.layers.size(); ++l) {
    const LayerSpec& layer = spec.layers[l];
    const std::string where = "[Network] layers[" + std::to_string(l) + "]";
    n_in = kind_of<T>(layer).check(layer, n_in, where);
    if (bad_size(n_in)) {
      refuse(where + ".units was " + std::to_string(n_in) +
             "; it must be a positive integer below 2^31");
    }
    const bool output = l + 1 == spec.layers.size();
    if (is_recurrent(layer) && output) {
      refuse(where + " is recurrent; it must have a dense layer above it");
    }
    if (is_recurrent(layer) && above_recurrent) {
      refuse(where + " is a second recurrent layer; a network must have at most one");
    }
    if (above_recurrent && layer.local.maps != 0) {
      refuse(where + " sees patches; above a recurrent layer it must be dense");
    }
    above_recurrent = above_recurrent || is_recurrent(layer);
    if (layer.dropout > 0 && in_time) {
      refuse(where + ".dropout was " + text(layer.dropout) +
             "; in a network with a recurrent layer it must be 0");
    }
    if (is_pooling(layer) && output) {
      refuse(where + " is a pooling layer; the output layer must have weights");
    }
    if (layer.dropout > 0 && !output && is_pooling(spec.layers[l + 1])) {
      refuse(where + ".dropout was " + text(layer.dropout) +
             "; below a pooling layer it must be 0: the pooling layer may have it");
    }
    const double omega = layer.weight_scale.value_or(0.0);
    if (!(omega >= 0 && omega <= value_limit<T>)) {
      refuse(where + ".weight_scale was " + text(omega) + "; it must be at least 0 and at most " +
             limit_text<T>());
    }
    if (!layer.mask.empty() && (layer.local.maps != 0 || is_recurrent(layer))) {
      refuse(where + ".mask was given; it is for dense layers");
    }
    if (!(layer.density > 0 && layer.density <= 1)) {
      refuse(where + ".density was " + text(layer.density) + "; it must be in (0, 1]");
    }
    if (!(layer.dropout >= 0 && layer.dropout < 1) || (layer.dropout > 0 && output)) {
      refuse(where + ".dropout was " + text(layer.dropout) +
             "; it must be in [0, 1), and 0 for the output layer");
    }
    if (!(layer.leaky_slope >= 0 && layer.leaky_slope <= 1)) {
      refuse(where + ".leaky_slope was " + text(layer.leaky_slope) + "; it must be in [0, 1]");
    }
    const auto check_scale = [&](const char* which, double scale) {
      if (scale >= 0 && scale <= 1e9) return;
      refuse(where + "." + which + " was " + text(scale) + "; it must be in [0, 1e+09]");
    };
    check_scale("lr_scale", layer.lr_scale);
    check_scale("decay_scale", layer.decay_scale);
    check_scale("bias_lr_scale", layer.bias_lr_scale);
    check_scale("bias_decay_scale", layer.bias_decay_scale);
    const std::string sigma = name(layer.activation);
    if (layer.activation == Activation::softmax && !output) {
      refuse(where + ".activation was 'softmax'; softmax is for the output layer only");
    }
    if ((layer.activation == Activation::custom) != static_cast<bool>(layer.activator)) {
      refuse(where + ".activation was '" + sigma + "' " + (layer.activator ? "with" : "without") +
             " an activator; 'custom' must have one, and no other");
    }
    if (layer.activator && (is_recurrent(layer) || spec.device != "cpu")) {
      refuse(where + ".activation was code of the caller's; " +
             (is_recurrent(layer) ? "a recurrent layer" : "on a device it") +
             " must have one of fastfa's own");
    }
    if (keeps_slope(layer.activation) && output) {
      refuse(where + ".activation was '" + sigma + "'; " + sigma + " is for hidden layers only");
    }
  }
  if (in_time) {
    if (spec.device != "cpu") {
      refuse("[Network] device was '" + spec.device + "'; a recurrent layer learns on the CPU alone");
    }
    if (spec.perturbation.sigma != 0) {
      refuse("[Network] perturbation was " + text(spec.perturbation.sigma) +
             "; with a recurrent layer it must be 0");
    }
    if (spec.input_dropout != 0) {
      refuse("[Network] input_dropout was " + text(spec.input_dropout) +
             "; with a recurrent layer it must be 0");
    }
  }
  const Activation top = spec.layers.back().activation;
  if (spec.loss == Loss::squared_error && top == Activation::softmax) {
    refuse("[Network] loss was 'squared_error' with a softmax output; it must be 'cross_entropy'");
  }
  if (spec.loss == Loss::cross_entropy && top != Activation::softmax && top != Activation::logistic) {
    refuse("[Network] loss was 'cross_entropy' with output activation '" + std::string(name(top)) +
           "'; it must be 'logistic' or 'softmax'");
  }
}

template <class T>
void check_weights(const char* call, const T* sample_weight, const Index* order, Index n) {
  for (Index i = 0; sample_weight && i < n; ++i) {
    const Index at = order ? order[i] : i;
    const T weight = sample_weight[at];
    if (weight >= 0 && weight <= static_cast<T>(most_weight)) continue;  // rounded as a caller's is
    refuse("[" + std::string(call) + "] sample_weight[" + std::to_string(at) + "] was " +
           text(static_cast<double>(weight)) + "; it must be at least 0 and at most " +
           text(most_weight));
  }
}

template void check_weights(const char*, const float*, const Index*, Index);
template void check_weights(const char*, const double*, const Index*, Index);
template void check_spec<float>(const NetworkSpec&);
template void check_spec<double>(const NetworkSpec&);

}  // namespace fastfa

// Of each optimizer three functions: check, memory, and learning, which fills in what a step of it is.
// Python checks the same where it is said, for a better message; check is for embedders.
#include "core/network/optimizers.h"

#include <cmath>
#include <string>
#include <utility>

#include "core/base/messages.h"

namespace fastfa {
namespace {

std::string where(const char* kind, const char* setting) {
  return std::string("[") + kind + "] " + setting + " was ";
}

void check_rate(const char* kind, double lr) {
  if (!(lr >= 0 && lr <= 1e9)) refuse(where(kind, "lr") + text(lr) + "; it must be in [0, 1e+09]");
}

void check_epsilon(const char* kind, double epsilon) {
  if (!(epsilon >= 1e-30)) {
    refuse(where(kind, "epsilon") + text(epsilon) + "; it must be at least 1e-30");
  }
}

template <class O>
void check_limits(const O& o) {
  const auto check_limit = [&](const char* setting, double limit) {
    if (limit >= 0 && std::isfinite(limit)) return;
    refuse(where(name(o), setting) + text(limit) + "; it must be above 0, or 0 for no limit");
  };
  check_limit("clip_norm", o.clip_norm);
  check_limit("clip_value", o.clip_value);
  if (o.clip_norm > 0 && o.clip_value > 0) {
    refuse(std::string("[") + name(o) + "] there were clip_norm " + text(o.clip_norm) +
           " and clip_value " + text(o.clip_value) + "; it must be one of them");
  }
}

// Decay that is a part of the gradient, which is divided by its own size.
void check_inner_decay(const char* kind, double decay) {
  if (!(decay >= 0 && decay <= 1e3)) {
    refuse(where(kind, "weight_decay") + text(decay) + "; it must be in [0, 1000]");
  }
}

// Decay that is taken from W itself.
void check_outer_decay(const char* kind, double decay, double lr) {
  if (!(decay >= 0 && lr * decay <= 1)) {
    refuse(where(kind, "weight_decay") + text(decay) +
           "; it must not be negative, and lr times weight_decay must be at most 1");
  }
}

// ---- SGD -------------------------------------------------------------------------------------------

void check(const Sgd& o, Index batch_size) {
  if (!(o.momentum >= 0 && o.momentum < 1)) {
    refuse("[SGD] momentum was " + text(o.momentum) + "; it must be in [0, 1)");
  }
  if (o.nesterov && o.momentum == 0) {
    refuse("[SGD] nesterov was true with momentum 0; momentum must be above 0");
  }
  const double examples = o.reduction == Reduction::sum ? static_cast<double>(batch_size) : 1.0;
  const double highest = 1e9 * (1 - o.momentum) / examples;
  if (!(o.lr >= 0 && o.lr <= highest)) {
    refuse("[SGD] lr was " + text(o.lr) +
           "; with this momentum, reduction and batch it must be in [0, " + text(highest) + "]");
  }
  check_outer_decay("SGD", o.weight_decay, o.lr);
}

Memory memory(const Sgd& o) { return o.momentum != 0 ? Memory::velocity : Memory::none; }

template <class T>
void learning(const Sgd& o, double n, double, OptimizerStep<T>& step) {
  Learning<T>& u = step.learning;
  step.share = o.reduction == Reduction::mean ? 1.0 / n : 1.0;
  step.outer_decay = true;
  u.rate = static_cast<T>(o.lr * step.share);
  u.decay = static_cast<T>(o.lr * o.weight_decay);
  u.momentum = static_cast<T>(o.momentum);
  u.nesterov = o.nesterov;
}

// ---- Adam and AdamW --------------------------------------------------------------------------------

template <class O>
void check_moments(const O& o) {
  check_rate(name(o), o.lr);
  if (!(o.beta1 >= 0 && o.beta1 < 1 && o.beta2 >= 0 && o.beta2 < 1)) {
    refuse(where(name(o), "beta1") + text(o.beta1) + " and beta2 " + text(o.beta2) +
           "; each must be in [0, 1)");
  }
  check_epsilon(name(o), o.epsilon);
}

template <class O, class T>
void moments(const O& o, double n, double t, OptimizerStep<T>& step) {
  Learning<T>& u = step.learning;
  step.share = 1.0 / n;
  u.rate = static_cast<T>(step.share);
  u.fresh = static_cast<T>(1 - o.beta1);
  u.fresh2 = static_cast<T>(1 - o.beta2);
  u.step = static_cast<T>(o.lr / (1 - std::pow(o.beta1, t)));
  u.root = static_cast<T>(1 / std::sqrt(1 - std::pow(o.beta2, t)));
  u.epsilon = static_cast<T>(o.epsilon);
}

void check(const Adam& o, Index) {
  check_moments(o);
  check_inner_decay("Adam", o.weight_decay);
}

Memory memory(const Adam&) { return Memory::adam; }

template <class T>
void learning(const Adam& o, double n, double t, OptimizerStep<T>& step) {
  moments(o, n, t, step);
  step.learning.decay = static_cast<T>(o.weight_decay);
}

void check(const AdamW& o, Index) {
  check_moments(o);
  check_outer_decay("AdamW", o.weight_decay, o.lr);
}

Memory memory(const AdamW&) { return Memory::adam; }

template <class T>
void learning(const AdamW& o, double n, double t, OptimizerStep<T>& step) {
  moments(o, n, t, step);
  step.outer_decay = true;
  step.learning.decay = static_cast<T>(o.lr * o.weight_decay);
  step.learning.decoupled = true;
}

// ---- RMSprop: Adam's kernel with v = g, which isn't kept, and no correction for the start ----------

void check(const RmsProp& o, Index) {
  check_rate("RMSprop", o.lr);
  if (!(o.rho >= 0 && o.rho < 1)) refuse("[RMSprop] rho was " + text(o.rho) + "; it must be in [0, 1)");
  check_epsilon("RMSprop", o.epsilon);
  check_inner_decay("RMSprop", o.weight_decay);
}

Memory memory(const RmsProp&) { return Memory::squares; }

template <class T>
void learning(const RmsProp& o, double n, double, OptimizerStep<T>& step) {
  Learning<T>& u = step.learning;
  step.share = 1.0 / n;
  u.rate = static_cast<T>(step.share);
  u.decay = static_cast<T>(o.weight_decay);
  u.fresh2 = static_cast<T>(1 - o.rho);
  u.step = static_cast<T>(o.lr);
  u.root = 1;
  u.epsilon = static_cast<T>(o.epsilon);
}

// ---- any of them -----------------------------------------------------------------------------------

template <std::size_t... I>
Optimizer named(const std::string& word, std::index_sequence<I...>) {
  Optimizer found;
  std::string known;
  const auto is = [&](const Optimizer& each) {
    std::string own = std::visit([](const auto& o) { return name(o); }, each);
    for (char& c : own) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    if (own == word) found = each;
    known += (known.empty() ? "'" : ", '") + own + "'";
    return own == word;
  };
  if (!(is(std::variant_alternative_t<I, Optimizer>{}) || ...)) {
    refuse("[optimizer] rule was '" + word + "'; it must be one of " + known);
  }
  return found;
}

}  // namespace

void check_optimizer(const Optimizer& optimizer, Index batch_size,
                     const std::vector<LayerSpec>& layers) {
  std::visit(
      [&](const auto& o) {
        check(o, batch_size);
        check_limits(o);
        for (std::size_t l = 0; l < layers.size(); ++l) {
          const LayerSpec& layer = layers[l];
          const auto check_scaled = [&](const std::string& what, double lr_scale, double decay_scale) {
            if (lr_scale == 1 && decay_scale <= 1) return;
            auto own = o;
            own.lr *= lr_scale;
            own.weight_decay *= decay_scale;
            try {
              check(own, batch_size);
            } catch (const std::invalid_argument& error) {
              refuse(std::string(error.what()) + " (" + what + " of layers[" + std::to_string(l) +
                     "] included)");
            }
          };
          check_scaled("lr_scale and decay_scale", layer.lr_scale, layer.decay_scale);
          check_scaled("bias_lr_scale and bias_decay_scale", layer.bias_lr_scale,
                       layer.bias_decay_scale);
        }
      },
      optimizer);
}

Memory memory_of(const Optimizer& optimizer) {
  return std::visit([](const auto& o) { return memory(o); }, optimizer);
}

template <class T>
OptimizerStep<T> step_of(const Optimizer& optimizer, Index n, std::int64_t t) {
  OptimizerStep<T> step{};
  step.memory = memory_of(optimizer);
  std::visit(
      [&](const auto& o) {
        learning(o, static_cast<double>(n), static_cast<double>(t), step);
        step.clip_norm = o.clip_norm;
        step.clip_value = o.clip_value;
      },
      optimizer);
  step.learning.bias_rate = step.learning.rate;
  step.learning.bias_step = step.learning.step;
  return step;
}

// Steps of SGD are as large as `rate`, those of the others as `step`. Decay that is taken from W itself
// contains the learning rate.
template <class T>
Learning<T> OptimizerStep<T>::of(const LayerSpec& layer) const {
  Learning<T> own = learning;
  if (!has_scales(layer)) return own;
  const auto lr = static_cast<T>(layer.lr_scale), bias_lr = static_cast<T>(layer.bias_lr_scale);
  if (keeps_squares(memory)) {
    own.step *= lr;
    own.bias_step *= bias_lr;
  } else {
    own.rate *= lr;
    own.bias_rate *= bias_lr;
  }
  own.decay *= static_cast<T>(layer.decay_scale) * (outer_decay ? lr : T(1));
  own.bias_decay =
      learning.decay * static_cast<T>(layer.bias_decay_scale) * (outer_decay ? bias_lr : T(1));
  return own;
}

bool limits_gradients(const Optimizer& optimizer) {
  return std::visit([](const auto& o) { return o.clip_norm > 0 || o.clip_value > 0; }, optimizer);
}

template struct OptimizerStep<float>;
template struct OptimizerStep<double>;
template OptimizerStep<float> step_of<float>(const Optimizer&, Index, std::int64_t);
template OptimizerStep<double> step_of<double>(const Optimizer&, Index, std::int64_t);

Optimizer optimizer_named(const char* word) {
  return named(word, std::make_index_sequence<std::variant_size_v<Optimizer>>());
}

}  // namespace fastfa

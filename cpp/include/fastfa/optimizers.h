// The optimizers: a struct each, its name, and its settings by the names that Python, C and files have
// for them. What they check, remember and do is in core/network/optimizers.cpp.
#pragma once

#include <variant>

#include "fastfa/export.h"

namespace fastfa {

// Of a batch: η times the mean or the sum over its examples.
enum class Reduction : int { mean, sum };

// In all of them g points downhill, δ and e being target − output, and biases have no decay. A layer may
// have factors on η and γ (LayerSpec). Gradients s δᵀh can be limited, all together to a norm of
// clip_norm (Pascanu, Mikolov & Bengio, 2013), or each element to ± clip_value; 0: no limit.

// v ← α v + g with g = η (s δᵀh − γ W), W ← W + v;  s = 1/N for mean, 1 for sum.
// With nesterov W ← W + g + α v instead, v being the new one.
struct Sgd {
  double lr = 0.0;            // η
  double momentum = 0.0;      // α
  double weight_decay = 0.0;  // γ
  Reduction reduction = Reduction::mean;
  bool nesterov = false;
  double clip_norm = 0.0, clip_value = 0.0;
};

// g = δᵀh / N − γ W;  m ← β₁ m + (1 − β₁) g,  v ← β₂ v + (1 − β₂) g²,
// W ← W + η m̂ / (√v̂ + ε) with m̂ = m / (1 − β₁ᵗ), v̂ = v / (1 − β₂ᵗ) (Kingma & Ba, 2015).
struct Adam {
  double lr = 0.0;
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
  double weight_decay = 0.0;
  double clip_norm = 0.0, clip_value = 0.0;
};

// Adam on g = δᵀh / N, and W ← W − η γ W apart from it (Loshchilov & Hutter, 2019).
struct AdamW {
  double lr = 0.0;
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
  double weight_decay = 0.01;
  double clip_norm = 0.0, clip_value = 0.0;
};

// g = δᵀh / N − γ W;  s ← ρ s + (1 − ρ) g²,  W ← W + η g / (√s + ε) (Tieleman & Hinton, 2012).
struct RmsProp {
  double lr = 0.0;
  double rho = 0.99, epsilon = 1e-8;
  double weight_decay = 0.0;
  double clip_norm = 0.0, clip_value = 0.0;
};

using Optimizer = std::variant<Sgd, Adam, AdamW, RmsProp>;

// The names of Python's classes. In C, and as words, they are in lower case.
inline const char* name(const Sgd&) { return "SGD"; }
inline const char* name(const Adam&) { return "Adam"; }
inline const char* name(const AdamW&) { return "AdamW"; }
inline const char* name(const RmsProp&) { return "RMSprop"; }

template <class O, class F>
void for_limits(O& o, F&& each) {
  each("clip_norm", o.clip_norm);
  each("clip_value", o.clip_value);
}
// Calls each(name, setting) for every setting.
template <class F>
void for_settings(Sgd& o, F&& each) {
  each("lr", o.lr);
  each("momentum", o.momentum);
  each("weight_decay", o.weight_decay);
  each("reduction", o.reduction);
  each("nesterov", o.nesterov);
  for_limits(o, each);
}
template <class O, class F>
void for_adam_settings(O& o, F&& each) {
  each("lr", o.lr);
  each("beta1", o.beta1);
  each("beta2", o.beta2);
  each("epsilon", o.epsilon);
  each("weight_decay", o.weight_decay);
  for_limits(o, each);
}
template <class F>
void for_settings(Adam& o, F&& each) {
  for_adam_settings(o, each);
}
template <class F>
void for_settings(AdamW& o, F&& each) {
  for_adam_settings(o, each);
}
template <class F>
void for_settings(RmsProp& o, F&& each) {
  each("lr", o.lr);
  each("rho", o.rho);
  each("epsilon", o.epsilon);
  each("weight_decay", o.weight_decay);
  for_limits(o, each);
}

// The optimizer of this name in lower case, with its default settings. Throws std::invalid_argument.
FASTFA_API Optimizer optimizer_named(const char* word);

}  // namespace fastfa

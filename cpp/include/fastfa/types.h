// The vocabulary of a network: what embedders and the bindings hand to the core.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "fastfa/export.h"

namespace fastfa {

// σ(a); the slope of leaky_relu below zero is 1/20, the paper's. softmax is for the output only.
enum class Activation : int { linear, logistic, tanh, relu, leaky_relu, softmax };

// squared_error: L = ½ Σ e², δ = e ∘ σ′(a).   cross_entropy: δ = e (logistic or softmax outputs).
enum class Loss : int { squared_error, cross_entropy };

// What carries the error down (B), and from where (δ of the layer above, or the output's δ).
enum class Matrix : int { transpose, uniform, normal, array, zero };
enum class Route : int { layerwise, direct };

enum class Reduction : int { mean, sum };

// A dense layer: a = W h + b, h = σ(a), W ~ U(−weight_scale, weight_scale), b = 0.
struct DenseSpec {
  std::int64_t units = 0;
  Activation activation = Activation::linear;
  double weight_scale = 0.0;  // ω
  bool bias = true;
  bool trainable = true;
};

// The feedback into one hidden layer. `scale` is β of U(−β, β) for uniform and the standard deviation
// for normal. With equal_error it follows from `gain`: errors of the same magnitude, gain times the
// output error per unit, reach every layer (the paper's rule). gain 0 means what backprop would send at
// weights of the default scale, √(n_out / (3 n_top)), n_top being the size of the last hidden layer.
struct FeedbackSpec {
  Matrix matrix = Matrix::uniform;
  Route route = Route::layerwise;
  bool equal_error = true;
  double scale = 0.0;
  double gain = 0.0;
  std::vector<double> values;  // array: B (rows = n_l, cols = n_source), row-major
  std::int64_t rows = 0, cols = 0;
};

struct NetworkSpec {
  std::int64_t inputs = 0;
  std::vector<DenseSpec> layers;
  std::vector<FeedbackSpec> feedback;  // one per hidden layer
  Loss loss = Loss::squared_error;
  std::uint64_t seed = 0;
};

// v ← α v + η (s δᵀh − γ W), W ← W + v;  s = 1/N for mean, 1 for sum. Biases without decay.
struct Sgd {
  double lr = 0.0;            // η
  double momentum = 0.0;      // α
  double weight_decay = 0.0;  // γ
  Reduction reduction = Reduction::mean;
};

// A borrowed matrix; strides count elements.
template <class T>
struct MatrixView {
  T* data = nullptr;
  std::int64_t rows = 0, cols = 0;
  std::int64_t row_stride = 0, col_stride = 1;

  T& operator()(std::int64_t r, std::int64_t c) const { return data[r * row_stride + c * col_stride]; }
};

struct EpochResult {
  double loss = 0.0;       // mean over the examples, each before its own update
  std::int64_t wrong = 0;  // examples with argmax(output) ≠ argmax(target)
  std::int64_t examples = 0;
};

// A value left the range in which the next update is certain to be finite. Thrown before that update,
// so the weights are still those of the last good step. layer −1 is the input.
class FASTFA_API DivergenceError : public std::runtime_error {
 public:
  DivergenceError(int layer, std::int64_t step, const std::string& what);
  int layer() const { return layer_; }
  std::int64_t step() const { return step_; }

 private:
  int layer_;
  std::int64_t step_;
};

// The poll function handed to a long-running call said stop.
class FASTFA_API Interrupted : public std::runtime_error {
 public:
  Interrupted();
};

}  // namespace fastfa

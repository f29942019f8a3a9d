// The vocabulary of a network: what embedders and the bindings hand to the core.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <variant>
#include <vector>

#include "fastfa/export.h"
#include "fastfa/optimizers.h"

namespace fastfa {

// σ(a). softmax is for the output only; gelu, silu and custom are for hidden layers only.
enum class Activation : int {
  linear,
  logistic,
  tanh,
  relu,
  leaky_relu,
  softmax,
  hard_tanh,  // a within ±1
  softplus,   // log(1 + exp a)
  elu,        // exp(a) − 1 below zero
  gelu,       // a Φ(a), Φ the normal distribution function
  silu,       // a logistic(a)
  custom      // LayerSpec::activator
};

// squared_error: L = ½ Σ e², δ = e ∘ σ′(a).   cross_entropy: δ = e (logistic or softmax outputs).
enum class Loss : int { squared_error, cross_entropy };

// What carries the error down (B), from where (δ of the layer above, the output's δ, or the target
// itself), and how B changes in time.
enum class Matrix : int {
  transpose,
  pseudoinverse,
  sign,
  uniform,
  normal,
  orthogonal,
  sparse,
  low_rank,
  binary,
  ternary,
  hadamard,
  procedural,
  array,
  zero,
  custom
};
enum class Route : int { layerwise, direct, target };
enum class Plasticity : int { fixed, kolen_pollack, weight_mirror };

// For Matrix::sign: one for all, |U(−β, β)| drawn once, or drawn anew for every batch.
enum class Magnitude : int { uniform, fixed, redrawn, array };

// What is made of a patch: `maps` units, with weights of the position's own (a locally connected layer)
// or the same at all positions (a convolution); or, of each channel by itself, its mean or its largest
// value (pooling, which has no weights).
enum class Patches : int { own, shared, average, max };

// Where a layer looks that sees patches: at inputs of shape (channels, height, width), each of its
// positions at a patch of kernel_h × kernel_w pixels. `same` pads with zeros so that there are ⌈size /
// stride⌉ positions; else (valid) all patches lie inside.
struct LocalSpec {
  std::int64_t channels = 0, height = 0, width = 0;
  std::int64_t maps = 0;  // units at each position; 0: the layer sees no patches
  std::int64_t kernel_h = 0, kernel_w = 0;
  std::int64_t stride_h = 1, stride_w = 1;
  bool same = false;
  Patches patches = Patches::own;
};

// Feedback made by the caller: delta (n, n_source) → out (n, n_l), both row-major, before ∘ σ′. Called
// while the network is locked; an exception ends the step before its update.
using Propagator = std::function<void(const double* delta, std::int64_t n, std::int64_t n_source,
                                      double* out, std::int64_t n_l)>;

// The feedback into one hidden layer. `scale` is β of U(−β, β), |B| where B has one magnitude, else the
// standard deviation of B's elements. With equal_error it follows from `gain` and `growth`: errors δ of
// the same magnitude, gain times the output's per unit, reach every layer (the paper's rule), or ones
// that are `growth` times larger from layer to layer downwards. gain 0 means what backprop would send at
// weights of the default scale: √(n_out / (3 n_top)) before ∘ σ′, n_top being the size of the last
// hidden layer. δ is meant after ∘ σ′, whose size is that expected of inputs with mean square 1 and the
// weights at first (core/layers/expected_slope.h); with before_slope it is meant before.
struct FeedbackSpec {
  Matrix matrix = Matrix::uniform;
  Route route = Route::layerwise;
  bool equal_error = true;
  double scale = 0.0;
  double gain = 0.0, growth = 1.0;
  bool before_slope = false;
  // The caller's B, or |B| of sign matrices: (rows = n_l, cols = n_source), row-major.
  std::vector<double> values;
  std::int64_t rows = 0, cols = 0;
  double density = 0.0;                      // sparse, ternary
  std::int64_t rank = 0;                     // low_rank
  Magnitude magnitude = Magnitude::uniform;  // sign
  std::int64_t refresh = 1;                  // pseudoinverse: steps between two of them
  Propagator propagator;                     // custom
  // Of uniform, normal, orthogonal and array, where B is fixed: its elements are a float32 network's,
  // rounded to bf16, and take two bytes each.
  bool in_bf16 = false;
  Plasticity plasticity = Plasticity::fixed;
  // weight_mirror, after every mirror_every-th step: B ← B + growth Σ ξ zᵀ − decay B over N noise
  // vectors ξ of standard deviation mirror_noise. growth 0 means decay / (N noise²): B becomes an
  // average. decay below 0 means min(1, N / (20 n_l)). z = σ(W ξ + b), centred less σ(b). As it stands
  // here: Akrout et al. (2019), whose code has U(−.05, .05).
  double mirror_growth = 0.01, mirror_decay = 0.0, mirror_noise = 0.028867513459481287;
  std::int64_t mirror_every = 1;
  bool mirror_centred = false;
};

// Does this feedback need `values`, B or |B|?
inline bool has_array(const FeedbackSpec& spec) {
  return spec.matrix == Matrix::array ||
         (spec.matrix == Matrix::sign && spec.magnitude == Magnitude::array);
}

// By what a recurrent layer sends errors back in time: nothing (RFLO), Wᵀ (backprop through time), or a
// fixed matrix drawn as W is.
enum class RecurrentFeedback : int { zero, transpose, random };

// A recurrent layer of rate units: u = W_in x + W h⁻ + b, h = h⁻ + (σ(u) − h⁻)/τ, h = 0 at first. W_in
// is drawn as a dense layer's weights are, W ~ N(0, scale²/n). Its weights are [W_in | W], (n, n_in +
// n).
struct RecurrentSpec {
  double tau = 0.0;  // τ, in steps, at least 1; 0: the layer isn't recurrent
  double scale = 1.0;
  RecurrentFeedback feedback = RecurrentFeedback::zero;
  // Any other matrix (n, n) in place of it, layerwise, which may learn by kolen_pollack. With
  // equal_error its elements are at first as large as W's.
  std::optional<FeedbackSpec> matrix = {};
  std::int64_t input_delay = 0;  // the units see x of so many steps before, zero at first
};

// An activation of the caller's own: a (n, units) → h = σ(a) and σ′(a), all row-major. Called while the
// network is locked, in every forward pass; an exception ends the call before anything has changed.
using Activator =
    std::function<void(const double* a, std::int64_t n, std::int64_t units, double* h, double* slope)>;

// A layer: a = W h + b, h = σ(a), W ~ U(−weight_scale, weight_scale), b = 0. Dense, with a share
// `density` of W existing and the rest zero for ever; or local. A pooling layer is linear, without bias.
struct LayerSpec {
  std::int64_t units = 0;  // of a dense layer
  Activation activation = Activation::linear;
  std::optional<double> weight_scale;  // ω; if it is not given, 1/√(inputs of each unit)
  bool bias = true;
  bool trainable = true;
  double density = 1.0;
  LocalSpec local;
  double dropout = 0.0;       // share of h that is dropped while learning; not of an output layer
  double leaky_slope = 0.05;  // of leaky_relu below zero, at least 0 and below 1; 1/20 is the paper's
  // Times the optimizer's learning rate and weight decay: those of W, and of the bias.
  double lr_scale = 1.0, decay_scale = 1.0;
  double bias_lr_scale = 1.0, bias_decay_scale = 0.0;
  RecurrentSpec recurrent;
  // Of a dense layer, in place of `density`: element o · n_in + i says whether weight (o, i) exists.
  std::vector<bool> mask;
  Activator activator;  // of custom

  // The share of W that exists.
  double existing() const {
    if (mask.empty()) return density;
    const auto kept = std::count(mask.begin(), mask.end(), true);
    return static_cast<double>(kept) / static_cast<double>(mask.size());
  }
};

inline bool is_recurrent(const LayerSpec& layer) { return layer.recurrent.tau != 0; }
inline bool is_in_time(const std::vector<LayerSpec>& layers) {
  return std::any_of(layers.begin(), layers.end(), is_recurrent);
}

// Is it pooling, which has no weights? Wherever a layer is named by its number, pooling isn't counted.
inline bool is_pooling(const LayerSpec& layer) {
  return layer.local.maps != 0 &&
         (layer.local.patches == Patches::average || layer.local.patches == Patches::max);
}

// To which layers node perturbation adds noise, and in a hidden layer to what: to a, or to h = σ(a). In
// the output layer noise is added to a. An output layer without noise learns from its own error.
enum class NoisyLayers : int { all, hidden };
enum class NoiseOn : int { pre_activation, activation };

// Node perturbation: learning from noise of standard deviation sigma, without feedback. If sigma is 0,
// the network doesn't learn in this way.
struct Perturbation {
  double sigma = 0.0;
  NoisyLayers layers = NoisyLayers::all;
  NoiseOn on = NoiseOn::pre_activation;
  Perturbation(double s = 0.0, NoisyLayers l = NoisyLayers::all, NoiseOn o = NoiseOn::pre_activation)
      : sigma(s), layers(l), on(o) {}
};

struct NetworkSpec {
  std::int64_t inputs = 0;
  std::vector<LayerSpec> layers;
  std::vector<FeedbackSpec>
      feedback;  // one per hidden layer with weights; into what pooling leaves of it
  Loss loss = Loss::squared_error;
  std::uint64_t seed = 0;
  Perturbation perturbation;
  double input_dropout = 0.0;  // share of the inputs that is dropped while learning
  std::string device = "cpu";  // or "cuda", "cuda:1", …: where it lives and learns
};

// What a network remembers for its optimizer, of every parameter that learns: nothing, momentum's
// velocity v, Adam's two moments, or a mean of squares alone.
enum class Memory : int { none, velocity, adam, squares };

// Of which parameters of a layer: W, b, or B into it where Kolen-Pollack learns B.
enum class Part : int { weights, biases, feedback };

// How far training has come. With parameters, B and memory it is all of a network's state: who puts it
// back goes on in the same bits.
struct Progress {
  std::int64_t steps = 0;  // updates so far: the counter of dropout, noise and redrawn magnitudes
  Memory memory = Memory::none;
  std::int64_t adam_steps = 0;         // Adam's t
  std::vector<std::int64_t> inverted;  // for each B: the step from which its W⁺ is, where it is kept for
                                       // several steps; else −1
};

// A dense layer above anything, in one line.
inline LayerSpec dense(std::int64_t units, Activation activation = Activation::linear) {
  LayerSpec layer;
  layer.units = units;
  layer.activation = activation;
  return layer;
}

// A published rule by its name in fastfa.PRESETS: "bp", "fa", "dfa", "drtp", "shallow", "sparse_fa",
// "usf", "brsf", "frsf", "kp", "dkp", "wm", "pbp". Throws std::invalid_argument for another.
FASTFA_API FeedbackSpec preset(const std::string& name);

// Borrowed weights of a layer, as many dimensions as they have for its kind: dense (n_out, n_in); local
// (maps, out_h, out_w, channels, kernel_h, kernel_w); convolutional (maps, channels, kernel_h,
// kernel_w). Strides count elements.
template <class T>
struct WeightView {
  T* data = nullptr;
  std::vector<std::int64_t> shape, stride;
};

// A borrowed matrix; strides count elements. What a network reads must be contiguous in each row
// (col_stride 1), rows may be any distance apart; what it writes may have any strides.
template <class T>
struct MatrixView {
  T* data = nullptr;
  std::int64_t rows = 0, cols = 0;
  std::int64_t row_stride = 0, col_stride = 1;

  MatrixView() = default;
  MatrixView(T* values, std::int64_t r, std::int64_t c) : MatrixView(values, r, c, c) {}
  MatrixView(T* values, std::int64_t r, std::int64_t c, std::int64_t between_rows,
             std::int64_t between_cols = 1)
      : data(values), rows(r), cols(c), row_stride(between_rows), col_stride(between_cols) {}
  // What may be written may be read.
  template <class U, class = std::enable_if_t<std::is_same_v<const U, T>>>
  MatrixView(const MatrixView<U>& m)  // NOLINT: meant to convert
      : MatrixView(m.data, m.rows, m.cols, m.row_stride, m.col_stride) {}

  T& operator()(std::int64_t r, std::int64_t c) const { return data[r * row_stride + c * col_stride]; }
};

// The same with what keeps its memory alive.
template <class T>
struct OwnedMatrix {
  MatrixView<T> view;
  std::shared_ptr<void> owner;
};

template <class T>
struct OwnedWeights {
  WeightView<T> view;
  std::shared_ptr<void> owner;
};

struct EpochResult {
  double loss = 0.0;  // Σ wᵢ Lᵢ / Σ wᵢ over the examples, each before its own update; NaN if Σ wᵢ is 0
  std::int64_t wrong = 0;  // examples with argmax(output) ≠ argmax(target)
  std::int64_t examples = 0;
  double missed = 0.0;  // Σ wᵢ over those; missed / weight is the error rate
  double weight = 0.0;  // Σ wᵢ; without weights every wᵢ is 1
};

// When a network with a recurrent layer learns: once from whole sequences, by a scan back in time; at
// every step, by traces that go with it (which know no B_rec but zero); or once from each window of a
// sequence, by a scan that ends where the window begins (truncated backprop through time).
enum class TimeUpdate : int { sequence, step, window };

// What an epoch does. It trains with the sequences order[0], …, order[n − 1]; each has `times` steps.
// carry: the sequences begin with the network's state instead of zero. All must then be in one batch.
// window: the number of steps in a window, for TimeUpdate::window; the last window may have fewer. For
// the other updates window is 0.
struct SequencePlan {
  std::int64_t times = 0;
  TimeUpdate update = TimeUpdate::sequence;
  std::int64_t batch_size = 1;
  const std::int64_t* order = nullptr;
  std::int64_t n = 0;
  bool carry = false;
  std::int64_t window = 0;
};

// Sums over an epoch, to which each of its parts adds example by example: so they are the same, to the
// last bit, wherever it was cut.
struct EpochSums {
  double loss = 0.0;    // Σ wᵢ Lᵢ
  double missed = 0.0;  // Σ wᵢ over the examples that were wrong
  double weight = 0.0;  // Σ wᵢ
};

// An example's weight is finite and in [0, most_weight].
constexpr double most_weight = 1e14;

// How far a step in parts has come; see Network::forward_step().
struct StepState {
  std::int64_t examples = 0;  // of the pass that is kept; 0: none is
  bool has_deltas = false;    // the error came
  bool updated = false;       // so did the update
};

// How the feedback into one hidden layer compares with backprop's, on a probe batch; see
// fastfa.metrics.LayerAlignment for what each number means. NaN where it is not defined.
struct LayerAlignment {
  double angle_bp, angle_bp_sd, angle_bp_layer;
  double angle_pbp, angle_pbp_sd;
  double weight_angle, trace_bw, trace_abe;
  double descent, descent_positive;
  double norm_ratio, gradient_angle;
  std::vector<double> neuron_angles;
};

// Which of these to measure besides the angles to backprop; the others are NaN.
struct AlignmentChoice {
  bool gradient = true;  // gradient_angle
  bool matrices = true;  // what compares B with W: weight_angle … descent_positive, neuron_angles
  int pseudo = -1;       // angle_pbp: 0 no, 1 yes, −1 where no W above has over 256 rows and columns
};

// A value left the range in which the next update is certain to be finite. Thrown before that update,
// so the weights are still those of the last good step. layer −1 is the input. time: the step of the
// sequences at which it was, from 0; −1 where networks don't live in time, or it is not known.
class FASTFA_API DivergenceError : public std::runtime_error {
 public:
  DivergenceError(int layer, std::int64_t step, std::int64_t time, const std::string& what);
  int layer() const { return layer_; }
  std::int64_t step() const { return step_; }
  std::int64_t time() const { return time_; }

 private:
  int layer_;
  std::int64_t step_, time_;
};

// A device that isn't to be had, or that failed.
class FASTFA_API DeviceError : public std::runtime_error {
 public:
  explicit DeviceError(const std::string& what);
};

// The parts of a step came in an order that makes no sense, such as an error without a forward pass.
class FASTFA_API OrderError : public std::logic_error {
 public:
  explicit OrderError(const std::string& what);
};

// A file is not what it must be: malformed, cut short, or of another network.
class FASTFA_API FormatError : public std::runtime_error {
 public:
  explicit FormatError(const std::string& what);
};

// The poll function handed to a long-running call said stop.
class FASTFA_API Interrupted : public std::runtime_error {
 public:
  Interrupted();
};

}  // namespace fastfa

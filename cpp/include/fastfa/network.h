// A feed-forward network that learns from an error sent back through feedback matrices.
//
// Every call may run on the library's thread team, gives the same bits at any number of threads, and
// takes the network's own lock, so that calls from several threads follow one another.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "fastfa/export.h"
#include "fastfa/types.h"

namespace fastfa {

// Asked now and then during a long call; returning true ends it with Interrupted.
using Poll = std::function<bool()>;

template <class T>
class FASTFA_API Network {
 public:
  using Number = T;

  explicit Network(const NetworkSpec& spec);  // throws std::invalid_argument
  ~Network();
  Network(const Network&) = delete;
  Network& operator=(const Network&) = delete;

  int layers() const;  // weighted layers; hidden layers are one fewer
  std::int64_t inputs() const;
  std::int64_t units(int layer) const;
  std::int64_t steps() const;  // updates so far

  // ---- of a network on a device. X and Y of the calls below, and the outputs of forward(), may lie in
  // its memory instead of the host's: then they are used where they are.
  bool reaches(const void* data, std::size_t bytes) const;  // does that lie there? false on the CPU
  OwnedMatrix<T> allocate(std::int64_t rows, std::int64_t cols);  // zeros that it reaches, and the host
  // Products of large enough matrices on tensor cores, of factors rounded to TF32 (10 bits of mantissa),
  // or exact float32 again, as at first. Refused but for float on a device.
  void use_tf32(bool on);
  // Large products of dense layers and convolutions on the CPU: their factors are rounded to bf16 (8
  // bits of mantissa), their sums are float32. false: exact float32 again. Refused for double, and on a
  // device.
  void use_bf16(bool on);
  // Dense products by the cuBLAS (12 or later) at `path`, such as "libcublas.so.13": always, or where it
  // takes less time, which is measured when a product of some shape is first asked for; sums then run in
  // another order. Refused on the CPU; throws DeviceError if it can't be loaded.
  void use_cublas(const std::string& path, bool always);
  // Works on the caller's stream (a cudaStream_t; 0: its own again) from now on. Every call still
  // returns when its work is done. Refused on the CPU.
  void use_stream(std::uintptr_t stream);
  std::uintptr_t stream() const;         // the one in use; 0 on the CPU
  void wait_for(std::uintptr_t stream);  // until the caller's work on that stream is done

  WeightView<T> weights(int layer) const;
  MatrixView<T> biases(int layer) const;  // (1, n_out); data is null without bias
  // B (n_l, n_source) where it is stored dense and is state; data is null for other kinds. In a network
  // with a recurrent layer B_rec, (units, units), is that of hidden layer layers() − 1.
  OwnedMatrix<T> feedback(int hidden) const;
  // What of B is state: the same, or the weights of local feedback, shaped as those of the layer above;
  // no data where B follows from the seed or from W.
  OwnedWeights<T> feedback_state(int hidden) const;
  double feedback_scale(int hidden) const;        // in use; 0 where there is none
  std::int64_t feedback_bytes(int hidden) const;  // memory that B takes
  OwnedMatrix<T> feedback_array(int hidden);      // any kind, written out: (n_l, n_source)
  // With a sigma above 0 by node perturbation instead, and `feedback` is empty. Throws before it changes
  // anything.
  void set_feedback(const std::vector<FeedbackSpec>& feedback, const Perturbation& perturbation = {});
  // Multiplies each B by a number, so that on these examples the root mean square of δ, after ∘ σ′, is
  // `gain` times the output's in the last hidden layer and `growth` times that of the layer above below
  // it. Weights and directions stay. Returns the new scales (0 for arrays). For kinds that have a scale,
  // and arrays; throws std::invalid_argument before it changes anything.
  std::vector<double> calibrate_feedback(MatrixView<const T> x, MatrixView<const T> y, double gain,
                                         double growth = 1.0, const Poll& poll = {});

  // After writing to weights: velocities and moments start again at zero, removed weights are zero, and
  // feedback that follows the weights is made anew.
  void reset_memory();

  Progress progress() const;
  // Goes on from there: reset_memory(), then counters as given and memory of that kind at zero, for the
  // caller to write. Throws before it changes anything.
  void set_progress(const Progress& progress);
  // What is remembered of a layer's parameters, laid out as they are: `moment` 0 is the velocity or
  // Adam's m, 1 is Adam's v or RMSprop's s. No data where there is none.
  OwnedWeights<T> memory(Part part, int layer, int moment);
  // W⁺ (n_l, n_source) where Progress::inverted says that it is kept; else no data.
  OwnedMatrix<T> kept_inverse(int hidden) const;
  // Weights, biases and B where it is state, as a safetensors file with the names and shapes of Python's
  // state_dict(): weights.0, biases.0, feedback.0, … Written to a neighbour, synced and renamed, so that
  // there is the old file or the new one; its mode is kept. Throws std::system_error.
  void save(const std::string& path) const;
  // The same into a network of the same shape and feedback; momentum and Adam start again. Throws
  // std::system_error, or FormatError for a file that is malformed or of another network, both before
  // anything is changed.
  void load(const std::string& path);

  // X (N, n_in) → outputs (N, n_out)
  void forward(MatrixView<const T> x, MatrixView<T> out, const Poll& poll = {});
  // X (N, n_in) → h of every layer, (N, n_l)
  void activations(MatrixView<const T> x, const std::vector<MatrixView<T>>& out, const Poll& poll = {});
  // δ of every layer, (N, n_l), per example; `feedback` or a `perturbation` replaces the network's own
  // teaching for this call
  void deltas(MatrixView<const T> x, MatrixView<const T> y, const std::vector<MatrixView<T>>& out,
              const std::vector<FeedbackSpec>* feedback = nullptr, const Perturbation& perturbation = {},
              const Poll& poll = {});
  // For each hidden layer; all examples count as one batch.
  std::vector<LayerAlignment> alignment(MatrixView<const T> x, MatrixView<const T> y,
                                        const AlignmentChoice& choice = {}, const Poll& poll = {});
  EpochResult evaluate(MatrixView<const T> x, MatrixView<const T> y, const Poll& poll = {});

  // The same with a weight for each example: sample_weight[i] ≥ 0, in the host's memory, is of row i of
  // X (null: all 1). It multiplies the example's loss and its output delta, and through that every
  // delta; with the route target also what is carried of the target. A delta that is beyond the range
  // with its weight is an error as any other.
  void deltas(MatrixView<const T> x, MatrixView<const T> y, const std::vector<MatrixView<T>>& out,
              const std::vector<FeedbackSpec>* feedback, const Perturbation& perturbation,
              const Poll& poll, const T* sample_weight);
  EpochResult evaluate(MatrixView<const T> x, MatrixView<const T> y, const Poll& poll,
                       const T* sample_weight);

  // One update from the examples order[0 … n−1] of X, Y for each batch in turn. The last may be short.
  // `loss_sum`, if given, is a sum that the examples' losses are added to one by one, so that an epoch
  // in parts has the same one, to the last bit, wherever it was cut.
  EpochResult train_epoch(MatrixView<const T> x, MatrixView<const T> y, const Optimizer& optimizer,
                          std::int64_t batch_size, const std::int64_t* order, std::int64_t n,
                          const Poll& poll = {}, double* loss_sum = nullptr);
  // The same with a weight for each example of X, as above. Means that an update takes are over the
  // examples of its batch, whatever their weights: so a batch of weight 2 moves W twice as far. `sums`,
  // if given, are added to.
  EpochResult train_epoch(MatrixView<const T> x, MatrixView<const T> y, const Optimizer& optimizer,
                          std::int64_t batch_size, const std::int64_t* order, std::int64_t n,
                          const Poll& poll, EpochSums* sums, const T* sample_weight);

  // A step in parts, for simulators in which the error comes later than the output. Together the parts
  // do what one step of train_epoch() does, to the last bit, if the error is target − output.
  //
  // forward_step: X (N, n_in) → outputs (N, n_out); activations are kept in the network, and dropout
  //   drops. `out` may have no data. A further call takes the place of the last; one that throws
  //   std::invalid_argument leaves it.
  // feedback_step: the error e (N, n_out), target minus output, from which every layer gets its δ (a
  //   caller who weights examples multiplies its rows, and the target's, by their weights). With
  //   squared_error the output's is e ∘ σ′(a), with cross_entropy e. May be called again, with another
  //   error. `target` (N, n_out) is for routes from the target alone. Not for node perturbation.
  // update_step: W ← W + v from those deltas and activations, and whatever else a step changes. Once.
  // apply_error: the latter two in one.
  //
  // In between, calls that only look, and set_feedback(), leave the pass alone; train_epoch(),
  // train_together() and reset_memory() drop it. Weights that are written in between are those through
  // which the error travels, where feedback follows them, and to which the update is added; activations
  // stay those of the forward pass. Wrong orders throw OrderError. What throws changes no weight, and a
  // feedback_step() that throws can be called again.
  void forward_step(MatrixView<const T> x, MatrixView<T> out);
  void feedback_step(MatrixView<const T> e, MatrixView<const T> target = {});
  void update_step(const Optimizer& optimizer);
  void apply_error(MatrixView<const T> e, const Optimizer& optimizer, MatrixView<const T> target = {});
  // What is kept of it, readable at any time until the next pass or until it is dropped: h (before
  // dropout) and δ of the layers from the first on, (N, n_l), into as many matrices as there are; one
  // without data is passed over.
  StepState step_state() const;
  void read_step(const std::vector<MatrixView<T>>& activations,
                 const std::vector<MatrixView<T>>& deltas) const;

  // Networks with a recurrent layer. Sequences are rows of X and Y: row e · times + t is
  // sequence e at time t. Weights are those of rows, as examples' weights are elsewhere; the mean over a
  // batch is that over its rows.
  //
  // train_sequences: one epoch, by one of the ways of TimeUpdate. forward_sequences and
  //   evaluate_sequences begin with a state of zero, and leave the network's own alone.
  // reset: forgets state and traces; the next forward_step() begins with zero. state, traces: the
  //   network's own (examples, units), and (examples · (inputs + units + 1), units); no data where there
  //   are none. past_inputs: with an input_delay, what the units have not seen yet, (delay · examples,
  //   inputs). begin_state: makes state, traces and past inputs, and sets them to zero.
  EpochResult train_sequences(MatrixView<const T> x, MatrixView<const T> y, const SequencePlan& plan,
                              const Optimizer& optimizer, const Poll& poll, const T* weight);
  void forward_sequences(MatrixView<const T> x, std::int64_t times, MatrixView<T> out, const Poll& poll);
  EpochResult evaluate_sequences(MatrixView<const T> x, MatrixView<const T> y, std::int64_t times,
                                 const Poll& poll, const T* weight);
  // d of the recurrent layer, (rows, units): what its weights learn from at each step, downhill, by the
  // network's rule or by another. through: another B_rec, which may be random only where the layer's is.
  void deltas_sequences(MatrixView<const T> x, MatrixView<const T> y, std::int64_t times,
                        MatrixView<T> out, const std::vector<FeedbackSpec>* feedback,
                        std::optional<RecurrentFeedback> through, const Poll& poll, const T* weight);
  int recurrent_layer() const;  // the number of its recurrent layer; −1: there is none
  void reset();
  void begin_state(std::int64_t examples);
  OwnedMatrix<T> state() const;
  OwnedMatrix<T> traces() const;
  OwnedMatrix<T> past_inputs() const;

  // Seconds for one feedback product into a hidden layer, n examples; for benchmarks.
  double time_feedback(int hidden, std::int64_t n, int repeats);
  // The same for a layer's forward pass and the gradient of its weights (an update at rate 0).
  double time_layer(int layer, std::int64_t n, int repeats);

  class Impl;  // the library's own
  Impl& impl() { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

// B (units, n_source) as hidden layer `layer` of a network with this seed has it, equal_error taken as
// for the last hidden layer; row-major. Not for kinds that follow the weights.
FASTFA_API void feedback_array(const FeedbackSpec& spec, std::int64_t units, std::int64_t n_source,
                               std::uint64_t seed, std::uint32_t layer, double* out);

}  // namespace fastfa

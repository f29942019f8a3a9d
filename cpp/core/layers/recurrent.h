// A recurrent layer: a dense layer whose inputs are z = [x, h⁻], what is below and what it was a step
// before. So its weights, their gradient and the optimizer's memory are a dense layer's. One pass may be
// several steps: row t · N + e is example e of N at time t.
#pragma once

#include "core/layers/layer.h"

namespace fastfa {

template <class T>
class RecurrentLayer final : public Layer<T> {
 public:
  RecurrentLayer(Allocator& allocator, const LayerSpec& s, Index inputs, std::uint64_t seed,
                 std::uint32_t index);

  // What the coming passes are.
  enum class Way {
    look,      // sequences from a state of zero; the layer's own is left alone
    sequence,  // sequences from the layer's state, which goes on; learning is by scan_back()
    online     // single steps from the layer's state; learning is by traces
  };
  void go(Way way, Index times) {
    way_ = way;
    times_ = times;
  }

  Index examples() const { return state_.rows(); }  // that have a state; 0: there is none
  // Makes a state of zero for so many examples, without traces.
  void begin(Allocator& allocator, Index examples);
  // Makes traces of zero beside the state if there are none.
  void begin_traces(Allocator& allocator);
  void reset() {
    state_ = traces_ = {};
    fresh_ = has_traces_ = false;
  }
  const Buffer<T>& state() const { return state_; }
  Buffer<T> traces() const { return has_traces_ ? traces_ : Buffer<T>(); }
  // Brings the traces up to date. A step leaves its part of them to the call that needs them next.
  void settle(Backend<T>& backend);

  void reserve(Backend<T>& backend, Index batch) override;
  void forward(Backend<T>& backend, const Buffer<T>& below, const std::vector<ColumnRange>& ranges,
               Index n, Sigma activation, const Buffer<T>& to, T* partial, int* bad) override;
  // From B e of all steps, in `delta`, to the d that weights learn from.
  void scan_back(Backend<T>& backend, Index n, T* partial, int* bad) {
    scan_back(backend, n, partial, bad, feedback_);
  }
  // The same with another B_rec: none, Wᵀ, or the layer's own.
  void scan_back(Backend<T>& backend, Index n, T* partial, int* bad, RecurrentFeedback through);
  void learn(Backend<T>& backend, const Learning<T>& learning, const Buffer<T>& below,
             const std::vector<ColumnRange>& ranges, Index n,
             const Parameters<T>& parameters) const override;

  // Is the layer, with one example, left to one core? This also says in which order its sums run.
  bool is_small() const { return this->w.bytes() <= Index{1} << 20; }
  // What a run of such steps needs to know of the layer.
  void lay_out(const Learning<T>& learning, RecurrentRun<T>& run) const;

 private:
  T share() const { return static_cast<T>(1.0 / tau_); }
  T keep() const { return static_cast<T>(1.0 - 1.0 / tau_); }
  RecurrentTrace<T> trace_pack(bool advance) const;

  const double tau_;
  const Sigma phi_;
  const RecurrentFeedback feedback_;
  const Index inputs_;
  const std::vector<ColumnRange> seen_;  // all of z
  Way way_ = Way::look;
  bool has_traces_ = false;
  Index times_ = 1;
  Buffer<T> state_;                 // (examples, n)
  Buffer<T> traces_;                // (examples · (depth + 1), n)
  Buffer<T> z_, slope_;             // of the last online step, (examples, …)
  mutable bool fresh_ = false;      // the traces don't have these yet
  Buffer<T> zero_;                  // (examples, n)
  Buffer<T> lambda_, carried_;      // of the scan, (examples, n)
  Buffer<T> back_;                  // B_recᵀ (n, n) where it is random
  Buffer<T> turned_;                // (n, n), W as the scan needs it, of when it was last used
  Buffer<T> room_;                  // of runs
  mutable Parameters<T> gradient_;  // for optimizers with memory
};

}  // namespace fastfa

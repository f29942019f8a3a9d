// A recurrent layer: a dense layer whose inputs are z = [x, h⁻], what is below and what it was a step
// before. So its weights, their gradient and the optimizer's memory are a dense layer's. One pass may be
// several steps: row t · N + e is example e of N at time t.
#pragma once

#include <functional>

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
    sequence,  // sequences from the layer's state, which goes on; errors go back by scan_back()
    online     // single steps from the layer's state; learning is by traces
  };
  void go(Way way, Index times) {
    way_ = way;
    times_ = times;
  }

  bool is_online() const { return way_ == Way::online; }

  Index examples() const { return state_.rows(); }  // that have a state; 0: there is none
  // Makes a state of zero for so many examples, without traces.
  void begin(Allocator& allocator, Index examples);
  // Makes traces of zero beside the state if there are none.
  void begin_traces(Allocator& allocator);
  void reset() {
    state_ = traces_ = past_ = {};
    fresh_ = has_traces_ = false;
  }
  const Buffer<T>& state() const { return state_; }
  Buffer<T> traces() const { return has_traces_ ? traces_ : Buffer<T>(); }
  Index input_delay() const { return delay_; }
  // What was below in the last steps, that the units have not seen yet, the oldest first.
  const Buffer<T>& past() const { return past_; }
  // Adds n rows to it, and drops as many.
  void remember(Backend<T>& backend, View<const T> below, Index n);
  // Brings the traces up to date. A step leaves its part of them to the call that needs them next.
  void settle(Backend<T>& backend);

  void reserve(Backend<T>& backend, Index batch) override;
  void forward(Backend<T>& backend, const Buffer<T>& below, const std::vector<ColumnRange>& ranges,
               Index n, Sigma activation, const Buffer<T>& to, T* partial, int* bad) override;
  // W, by which the units hear each other, transposed (n, n); and what they heard, h⁻, of the rows of
  // the last pass over sequences.
  View<const T> heard() const { return this->w.from(inputs_); }
  View<const T> before() const { return this->scratch[0].from(0, inputs_); }

  // Sends d of a step to the step before: product.delta = B_rec product.source.
  using Carry = std::function<void(const FeedbackProduct<T>& product)>;
  // That by Wᵀ, as W is now.
  Carry carry_by_transpose(Backend<T>& backend);
  // From B e of all steps, in `delta`, to the d that weights learn from. Without a carry B_rec is zero.
  void scan_back(Backend<T>& backend, Index n, const Carry& carry, T* partial, int* bad);
  const Buffer<T>& sent() const override { return delay_ > 0 ? sent_ : this->delta; }
  // At which step the last pass over sequences, or its scan back, ended with a value out of range; −1:
  // at none.
  Index stopped() const { return stopped_; }
  void learn(Backend<T>& backend, const Learning<T>& learning, const Buffer<T>& below,
             const std::vector<ColumnRange>& ranges, Index n,
             const Parameters<T>& parameters) const override;

  // Is the layer, with one example, left to one core? This also says in which order its sums run.
  bool is_small() const { return this->w.bytes() <= Index{1} << 20; }
  // What a run of such steps needs to know of the layer.
  void lay_out(const Learning<T>& learning, RecurrentRun<T>& run) const;

 private:
  void see(Backend<T>& backend, const Buffer<T>& below, const Buffer<T>& z, Index n);
  T share() const { return static_cast<T>(1.0 / tau_); }
  T keep() const { return static_cast<T>(1.0 - 1.0 / tau_); }
  RecurrentTrace<T> trace_pack(bool advance) const;

  const double tau_;
  const Sigma phi_;
  const Index inputs_, delay_;
  const std::vector<ColumnRange> seen_;  // all of z
  Way way_ = Way::look;
  bool has_traces_ = false;
  Index times_ = 1, stopped_ = -1;
  Buffer<T> state_;                 // (examples, n)
  Buffer<T> traces_;                // (examples · (depth + 1), n)
  Buffer<T> past_;                  // (delay · examples, inputs)
  Buffer<T> sent_;                  // with a delay: d, for what was below when it was there
  Buffer<T> z_, slope_;             // of the last online step, (examples, …)
  mutable bool fresh_ = false;      // the traces don't have these yet
  Buffer<T> zero_;                  // (examples, n)
  Buffer<T> lambda_, carried_;      // of the scan, (examples, n)
  Buffer<T> turned_;                // (n, n), W as Wᵀ is carried by, of when it was last used
  Buffer<T> room_;                  // of runs
  mutable Parameters<T> gradient_;  // for optimizers with memory
};

}  // namespace fastfa

// What a device must be able to do for Network::step(). Each operation takes one argument pack of
// kernels/ops.h, whose pointers are to that device's memory.
#pragma once

#include <memory>
#include <stdexcept>
#include <string>

#include "core/machine/allocator.h"
#include "core/machine/buffer.h"
#include "core/machine/replay_state.h"
#include "kernels/conv_ops.h"
#include "kernels/recurrent_ops.h"
#include "kernels/tiny_ops.h"

namespace fastfa {

template <class T>
class Backend : public Allocator {
 public:
  // Bracket a series of operations of one caller, who works on the thread team or, `alone`, without it.
  // After end() none is under way.
  virtual void begin(bool alone) = 0;
  virtual void end() = 0;

  // Is each operation done when its call returns? If not, later updates may wait in the queue already
  // when a value out of range is found. They read Learning::halted, and then change nothing.
  virtual bool immediate() const = 0;
  virtual void wait() = 0;                          // until all operations are done: the host may look
  virtual double pace() const = 0;                  // multiplications a second, at a cautious guess
  virtual double step_cost() const { return 1e4; }  // what a step takes besides, in multiplications
  virtual Index block_rows() const = 0;             // examples at once, of calls that only look

  // The caller's array at an address that operations can read: its own on the CPU, that of a copy on a
  // device. It is valid until the next call with the same `slot`, or until end().
  virtual const void* readable(int slot, const void* data, std::size_t bytes) = 0;

  // Can operations read and write these bytes where they are? If not, readable() copies them.
  virtual bool reaches(const void*, std::size_t) const { return false; }

  // Streams, which only devices have: work on that one of the caller's, or on the backend's own for 0.
  virtual void use_stream(std::uintptr_t) {}
  virtual std::uintptr_t stream() const { return 0; }  // which one is in use
  virtual void wait_for(std::uintptr_t) {}  // what comes next waits for the work on that other stream

  // A step may be recorded and done again and again without the host. From begin_record() to
  // end_record() operations are kept instead of done; those that differ from step to step look into
  // *state, which next_batch() moves on: order ← the next n of the examples.
  virtual bool can_record() const { return false; }
  virtual Index allocations() const { return 0; }  // so far: a change tells that scratch may have moved
  virtual void begin_record(ReplayState*) {}
  virtual std::shared_ptr<void> end_record() { return nullptr; }
  virtual void replay(const std::shared_ptr<void>&) {}
  virtual void next_batch(ReplayState*, Index, Index*) {}

  virtual void clear(T* values, Index count) = 0;
  virtual void copy(const T* from, T* to, Index count) = 0;
  virtual void copy_rows(View<const T> from, View<T> to, Index rows, Index cols) {
    for (Index r = 0; r < rows; ++r) copy(from[r], to[r], cols);
  }
  virtual void gather(const Gather<T>&) = 0;
  virtual void dense_forward(const DenseForward<T>&) = 0;
  virtual void output(const Output<T>&) = 0;
  virtual void propagate(const Propagate<T>&) = 0;
  virtual void propagate(const PropagateSign<T>&) = 0;
  virtual void propagate(const PropagateBits<T>&) = 0;
  virtual void propagate(const PropagatePairs<T>&) = 0;
  virtual void propagate(const PropagateProcedural<T>&) = 0;
  virtual void propagate(const PropagateSparse<T>&) = 0;
  virtual void propagate(const PropagateHadamard<T>&) = 0;
  virtual void times_slope(const TimesSlope<T>&) = 0;
  virtual void activate(const Activate<T>&) = 0;
  virtual void apply_gradient(const ApplyGradient<T>&) = 0;
  virtual void transpose(const Transpose<T>&) = 0;
  virtual void draw(const Draw<T>&) = 0;
  virtual void dropout(const Dropout<T>&) = 0;
  virtual void row_dots(const RowDots<T>&) = 0;
  virtual void tally(const Tally&) = 0;
  virtual void dense_update(const DenseUpdate<T>&) = 0;
  virtual void dense_online(const DenseOnline<T>& args) {  // in one pass over W where a device can
    dense_update(args.last);
    dense_forward(args.forward);
  }
  virtual void local_forward(const LocalForward<T>&) = 0;
  virtual void local_back(const LocalBack<T>&) = 0;
  virtual void local_update(const LocalUpdate<T>&) = 0;
  // What an operation works in, at least so many values: the same memory for all, until one needs more.
  T* scratch(Index count) {
    if (scratch_.cols() < count) {
      scratch_ = {};  // before there is another
      scratch_ = Buffer<T>(*this, 1, count);
    }
    return scratch_.data();
  }
  // Convolutions and pooling. They work in scratch: `forward` values for conv_forward and conv_update,
  // `back` for conv_back; and in sums of `parts` of the gradient.
  struct ConvRoom {
    Index forward, back, parts;
  };
  virtual ConvRoom conv_room(const LocalShape&, Index batch) const = 0;
  virtual void conv_forward(const ConvForward<T>&) = 0;
  virtual void conv_back(const ConvBack<T>&) = 0;
  virtual void conv_update(const ConvUpdate<T>&) = 0;
  virtual void pool_forward(const PoolForward<T>&) = 0;
  virtual void pool_back(const PoolBack<T>&) = 0;
  // Recurrent layers, which no device has yet: networks with one are refused there.
  virtual void recurrent_forward(const RecurrentForward<T>&) { throw without_time(); }
  virtual void recurrent_back(const RecurrentBack<T>&) { throw without_time(); }
  virtual void recurrent_trace(const RecurrentTrace<T>&) { throw without_time(); }
  virtual void recurrent_run(const RecurrentRun<T>&) { throw without_time(); }
  // Products of large matrices in TF32 from now on, or exact again. False: it can't.
  virtual bool use_tf32(bool on) { return !on; }
  // The same in bf16.
  virtual bool use_bf16(bool on) { return !on; }
  // Dense products by the cuBLAS at that path from now on, always or where it is measured to be faster.
  // Throws std::runtime_error if it isn't to be had.
  virtual void use_cublas(const std::string&, bool) { throw std::runtime_error("it is for a GPU"); }

  // Runs of steps of one network, or of several side by side. Done when the call returns.
  virtual bool runs_tiny() const { return lanes() > 0; }
  virtual void tiny_run(const TinyRun<T>&) = 0;
  virtual void tiny_together(const TinyRun<T>* runs, Index count) {
    for (Index i = 0; i < count; ++i) tiny_run(runs[i]);
  }
  // The parts of such a step, of a backend that is immediate().
  virtual bool tiny_forward(const TinyStep<T>&) = 0;
  virtual bool tiny_feedback(const TinyStep<T>&) = 0;
  virtual void tiny_update(const TinyStep<T>&) = 0;
  virtual void lane_run(const LaneRun<T>&) = 0;
  virtual Index lanes() const = 0;  // of a LaneRun; 0: there is none

 private:
  static std::logic_error without_time() {
    return std::logic_error("this device has no recurrent layers");
  }

  Buffer<T> scratch_;
};

template <class T>
std::unique_ptr<Backend<T>> make_cpu_backend();

// "cpu", "cuda", "cuda:1". Throws std::invalid_argument if there is no such kind, DeviceError if it
// isn't to be had here.
template <class T>
std::unique_ptr<Backend<T>> make_backend(const std::string& device);

}  // namespace fastfa

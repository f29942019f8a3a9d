// What a device must be able to do for Network::step(). Each operation takes one argument pack of
// kernels/ops.h, whose pointers are to that device's memory.
#pragma once

#include <memory>

#include "kernels/ops.h"

namespace fastfa {

template <class T>
class Backend {
 public:
  virtual ~Backend() = default;

  // Bracket a series of operations of one caller, who works on the thread team or, `alone`, without it.
  virtual void begin(bool alone) = 0;
  virtual void end() = 0;

  virtual void clear(T* values, Index count) = 0;
  virtual void copy(const T* from, T* to, Index count) = 0;
  virtual void gather(const Gather<T>&) = 0;
  virtual void dense_forward(const DenseForward<T>&) = 0;
  virtual void output(const Output<T>&) = 0;
  virtual void propagate(const Propagate<T>&) = 0;
  virtual void propagate(const PropagateSign<T>&) = 0;
  virtual void propagate(const PropagateBits<T>&) = 0;
  virtual void propagate(const PropagateProcedural<T>&) = 0;
  virtual void propagate(const PropagateSparse<T>&) = 0;
  virtual void propagate(const PropagateHadamard<T>&) = 0;
  virtual void gate(const Gate<T>&) = 0;
  virtual void transpose(const Transpose<T>&) = 0;
  virtual void draw(const Draw<T>&) = 0;
  virtual void dropout(const Dropout<T>&) = 0;
  virtual void row_dots(const RowDots<T>&) = 0;
  virtual void dense_update(const DenseUpdate<T>&) = 0;
  virtual void dense_online(const DenseOnline<T>& args) {  // in one pass over W where a device can
    dense_update(args.last);
    dense_forward(args.forward);
  }
  virtual void local_forward(const LocalForward<T>&) = 0;
  virtual void local_back(const LocalBack<T>&) = 0;
  virtual void local_update(const LocalUpdate<T>&) = 0;
  virtual void tiny_run(const TinyRun<T>&) = 0;
  virtual bool tiny_forward(const TinyStep<T>&) = 0;
  virtual bool tiny_feedback(const TinyStep<T>&) = 0;
  virtual void tiny_update(const TinyStep<T>&) = 0;
  virtual void lane_run(const LaneRun<T>&) = 0;
  virtual Index lanes() const = 0;  // of a LaneRun
};

template <class T>
std::unique_ptr<Backend<T>> make_cpu_backend();

}  // namespace fastfa

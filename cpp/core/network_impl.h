// The network itself. step() is the paper's algorithm; the rest serves it.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "core/backend.h"
#include "core/batch.h"
#include "core/feedback.h"
#include "core/float_mode.h"
#include "core/layer.h"
#include "fastfa/network.h"

namespace fastfa {

template <class T>
class Network<T>::Impl {
 public:
  explicit Impl(const NetworkSpec& spec);

  // One update from `batch`, unless `poll` says stop before it.
  void step(Batch<T>& batch, const Sgd& sgd, const Poll& poll);

  void forward(Batch<T>& batch);                                            // h_l = σ(W_l h_{l−1} + b_l)
  void error(Batch<T>& batch, bool with_delta);                             // y, e = y* − y, δ_L
  void feedback(const std::vector<Feedback<T>>& how, Index n, int lowest);  // δ_l = (B_l δ) ∘ σ′(a_l)
  void update(Batch<T>& batch, const Sgd& sgd);                             // W_l ← W_l + v_l

  void reserve(Index batch);
  void reserve_momentum(bool wanted);
  int lowest_trainable() const;
  std::vector<std::int64_t> units() const;
  void check_data(const char* call, const MatrixView<const T>& x, const MatrixView<const T>* y) const;

  // Calls visit(first row, rows) with the forward pass of those rows done.
  template <class Visit>
  void in_blocks(MatrixView<const T> x, MatrixView<const T> y, const Poll& poll, Visit&& visit);

  NetworkSpec spec_;
  std::vector<DenseLayer<T>> layers_;
  std::vector<Feedback<T>> feedback_;
  std::unique_ptr<Backend<T>> backend_;
  Batch<T> batch_;
  std::vector<Run> all_inputs_;
  Buffer<T> partial_;  // of one-row products
  std::int64_t steps_ = 0;
  int bad_ = 0;  // set by a kernel that met a value out of range
  std::mutex mutex_;

 private:
  void check(int layer, const char* what);
};

// Holds the network and its backend for one call.
template <class T>
class Session {
 public:
  Session(std::mutex& mutex, Backend<T>& backend) : lock_(mutex), backend_(backend) { backend_.begin(); }
  ~Session() { backend_.end(); }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

 private:
  std::lock_guard<std::mutex> lock_;
  FlushSubnormals flush_;
  Backend<T>& backend_;
};

}  // namespace fastfa

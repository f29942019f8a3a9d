// Networks of one kind side by side in the lanes of vectors.
#pragma once

#include <vector>

#include "core/network/network_impl.h"

namespace fastfa {

// Networks of one kind, one in each lane. Their parameters are copied into the lanes once, and back
// after each run.
template <class T>
class Lanes {
 public:
  using Tiny = std::vector<TinyLayer<T>>;

  Lanes(Backend<T>& backend, const std::vector<const Tiny*>& nets,
        const std::vector<OptimizerStep<T>>& steps, Loss loss)
      : backend_(backend), nets_(nets), loss_(loss) {
    const Tiny& first = *nets_[0];
    for (const TinyLayer<T>& l : first) {
      w_.push_back(array(l.n_in * l.n_out));
      bias_.push_back(array(l.n_out));
      h_.push_back(array(l.n_out));
      delta_.push_back(array(l.n_out));
      b_.push_back(array(l.b && !l.transposed ? l.n_src * l.n_out : 0));
    }
    for (std::size_t k = 0; k < first.size(); ++k) {
      TinyLayer<T> l = first[k];
      const std::size_t from = l.source == first.back().delta ? first.size() - 1 : k + 1;
      if (l.b) {
        l.b = l.transposed ? w_[k + 1] : b_[k];
        l.source = delta_[from].data();
      }
      l.w = w_[k];
      if (l.bias) l.bias = bias_[k].data();
      l.h = h_[k].data();
      l.delta = delta_[k].data();
      layers_.push_back(l);
    }
    scratch_ = array(first.back().n_out);
    rate_ = array(1);
    decay_ = array(1);
    for (std::size_t i = 0; i < nets_.size(); ++i) {
      rate_.data()[i] = steps[i].learning.rate;
      decay_.data()[i] = steps[i].learning.decay;
      decays_ |= steps[i].learning.decay != 0;
    }
    const auto in = [](T& lane, const T& own) { lane = own; };
    parameters(in);
    for (std::size_t k = 0; k < layers_.size(); ++k) {
      const TinyLayer<T>& l = first[k];
      if (b_[k].cols()) each(b_[k], k, [](const TinyLayer<T>& m) { return m.b; }, l.n_src, l.n_out, in);
    }
  }

  // Steps done; sums are added to each network's result.
  Index run(MatrixView<const T> x, MatrixView<const T> y, const Index* order, Index n,
            const T* sample_weight, const std::vector<EpochResult*>& results) {
    std::vector<double> loss(static_cast<std::size_t>(backend_.lanes())), missed(loss.size());
    std::vector<Index> wrong(loss.size());
    Index done = 0;
    LaneRun<T> pack{{layers_.data(), static_cast<Index>(layers_.size()), loss_, rows_of(x), order,
                     rows_of(y), n, loss.data(), wrong.data(), missed.data(), &done, sample_weight}};
    pack.rate = rate_.data();
    pack.decay = decay_.data();
    pack.decays = decays_;
    pack.scratch = scratch_.data();
    backend_.lane_run(pack);
    parameters([](const T& lane, T& own) { own = lane; });
    for (std::size_t i = 0; i < nets_.size(); ++i) {
      results[i]->loss += loss[i];
      results[i]->wrong += wrong[i];
      results[i]->missed += missed[i];
      results[i]->examples += done;
    }
    return done;
  }

 private:
  Buffer<T> array(Index elements) const { return Buffer<T>(backend_, 1, elements * backend_.lanes()); }

  // Calls copy(element in the lanes, the network's own) for a matrix (rows, cols) of layer k.
  template <class Of, class Copy>
  void each(const Buffer<T>& lanes, std::size_t k, Of&& of, Index rows, Index cols, Copy&& copy) const {
    for (std::size_t i = 0; i < nets_.size(); ++i) {
      const auto own = of((*nets_[i])[k]);
      T* lane = lanes.data() + i;
      for (Index r = 0; r < rows; ++r) {
        for (Index c = 0; c < cols; ++c, lane += backend_.lanes()) copy(*lane, own[r][c]);
      }
    }
  }
  template <class Copy>
  void parameters(Copy&& copy) const {
    for (std::size_t k = 0; k < layers_.size(); ++k) {
      const TinyLayer<T>& l = (*nets_[0])[k];
      each(w_[k], k, [](const TinyLayer<T>& m) { return m.w; }, l.n_in, l.n_out, copy);
      const auto bias = [](const TinyLayer<T>& m) { return View<T>{m.bias, 0}; };
      if (l.bias) each(bias_[k], k, bias, 1, l.n_out, copy);
    }
  }

  Backend<T>& backend_;
  std::vector<const Tiny*> nets_;
  Loss loss_;
  std::vector<Buffer<T>> w_, bias_, h_, delta_, b_;
  Buffer<T> scratch_, rate_, decay_;
  bool decays_ = false;
  Tiny layers_;
};

}  // namespace fastfa

// Which dense products a library forms: none, all, or those in which it has been measured to be faster.
#pragma once

#include <array>
#include <map>
#include <tuple>
#include <utility>

#include "cuda/after_product.cuh"
#include "cuda/blas.h"
#include "cuda/launch.cuh"

namespace fastfa::cuda {

template <class T>
class BlasChoice {
 public:
  enum class Use { always, where_faster };

  // Throws std::runtime_error if the library at `path` isn't to be had.
  BlasChoice(std::shared_ptr<Device> device, const std::string& path, Use use)
      : device_(std::move(device)),
        use_(use),
        workspace_(device_->reserve(Blas::workspace_bytes)),
        blas_(device_->blas_path(path), workspace_.get()) {}

  // Is it still open whether the library forms such a product? Else, does it?
  bool undecided(const Product<T>& p, bool tf32) const {
    return use_ == Use::where_faster && faster_.count(shape_of(p, tf32)) == 0;
  }
  bool forms(const Product<T>& p, bool tf32) const {
    if (use_ == Use::always) return true;
    const auto found = faster_.find(shape_of(p, tf32));
    return found != faster_.end() && found->second;
  }
  // Times the whole operation, done either way again and again.
  template <class Own, class Theirs>
  void decide(const Product<T>& p, bool tf32, Own&& own, Theirs&& theirs) {
    const double of_own = device_->time(own);
    faster_[shape_of(p, tf32)] = device_->time(theirs) < of_own;
  }

  void multiply(const Product<T>& p, bool tf32) { blas_.multiply(p, tf32, device_->stream()); }

  // Room for a gradient of n examples, and in double for the parts of a long one; none can be made while
  // a step is recorded.
  bool has_room(Index rows, Index ld, Index n) const {
    const auto elements = static_cast<std::size_t>(rows * ld);
    return gradient_.bytes >= elements * sizeof(T) &&
           (n <= blas_part || before_.bytes >= elements * sizeof(double));
  }
  T* gradient(Index rows, Index ld, Index n) {
    if (!has_room(rows, ld, n)) {
      const auto elements = static_cast<std::size_t>(rows * ld);
      gradient_ = {};  // first: there may not be room for both
      before_ = {};
      ++moves_;
      gradient_ = {device_->reserve(elements * sizeof(T)), elements * sizeof(T)};
      if (n > blas_part) {
        before_ = {device_->reserve(elements * sizeof(double)), elements * sizeof(double)};
      }
    }
    return static_cast<T*>(gradient_.memory.get());
  }
  double* before() const { return static_cast<double*>(before_.memory.get()); }

  Index moves() const { return moves_; }  // of that room so far

  // `u`, changing copies of what it would change; they are there as long as `memory` is.
  DenseUpdate<T> rehearsal(const DenseUpdate<T>& u, std::shared_ptr<void>& memory) {
    DenseUpdate<T> other = u;
    const std::array<std::pair<T**, Index>, 6> parts{{{&other.w.data, u.n_in * u.w.ld},
                                                      {&other.v, u.n_in * u.w.ld},
                                                      {&other.s, u.n_in * u.w.ld},
                                                      {&other.bias, u.w.ld},
                                                      {&other.v_bias, u.w.ld},
                                                      {&other.s_bias, u.w.ld}}};
    Index count = 0;
    for (const auto& [part, size] : parts) count += *part ? size : 0;
    memory = device_->reserve(static_cast<std::size_t>(count) * sizeof(T));
    device_->clear(memory.get(), static_cast<std::size_t>(count) * sizeof(T));
    T* at = static_cast<T*>(memory.get());
    for (const auto& [part, size] : parts) {
      if (!*part) continue;
      *part = at;
      at += size;
    }
    return other;
  }

 private:
  using Shape = std::tuple<Index, Index, Index, bool, bool, bool>;
  static Shape shape_of(const Product<T>& p, bool tf32) {
    return {p.rows, p.cols, p.depth, p.a_across, p.b_across, tf32};
  }

  std::shared_ptr<Device> device_;
  Use use_;
  std::shared_ptr<void> workspace_;
  Blas blas_;
  Scratch gradient_, before_;
  Index moves_ = 0;
  std::map<Shape, bool> faster_;
};

}  // namespace fastfa::cuda

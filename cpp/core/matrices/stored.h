// B dense in memory, as Bᵀ (n_source, n_l).
#pragma once

#include <utility>

#include "core/matrices/feedback.h"

namespace fastfa {

template <class T>
class StoredMatrix final : public FeedbackMatrix<T> {
 public:
  explicit StoredMatrix(Buffer<T> transposed) : b_(std::move(transposed)) {}

  void propagate(const FeedbackProduct<T>& product, const FeedbackContext<T>& context) override {
    context.backend.propagate(Propagate<T>{product, b_, 0});
  }
  Buffer<T> stored() const override { return b_; }
  std::int64_t bytes() const override { return b_.bytes(); }

 private:
  Buffer<T> b_;
};

}  // namespace fastfa

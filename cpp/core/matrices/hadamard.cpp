// B[j, k] = ±scale: random rows and columns of a Walsh–Hadamard matrix, each column with a random sign.
// Multiplied by the fast transform, n log n.
#include <algorithm>

#include "core/feedback.h"

namespace fastfa {
namespace {

template <class T>
class HadamardMatrix final : public FeedbackMatrix<T> {
 public:
  explicit HadamardMatrix(const MatrixPlan& plan) {
    while (order_ < plan.n_l || order_ < plan.n_source) order_ *= 2;
    row_ = places(plan.n_l, plan.seed, Purpose::feedback, plan.layer);
    column_ = places(plan.n_source, plan.seed, Purpose::structure, plan.layer);
    // The corner of a larger Walsh–Hadamard matrix is the smaller one; kernels want whole vectors.
    order_ = std::max(order_, Index{16});
    work_ = Buffer<T>(1, max_row_chunks * padded_cols(order_));
    const auto scale = static_cast<T>(plan.scale);
    draw_words(plan.seed, Purpose::signs, plan.layer, (plan.n_source + 31) / 32,
               [&](Index, std::uint32_t word) {
                 for (int bit = 0; bit < 32 && static_cast<Index>(sign_.size()) < plan.n_source; ++bit) {
                   sign_.push_back(word >> bit & 1 ? scale : -scale);
                 }
               });
  }

  void propagate(const Carry<T>& carry, const Scene<T>& scene) override {
    scene.backend.propagate(
        PropagateHadamard<T>{carry, row_.data(), column_.data(), sign_.data(), order_, work_.data()});
  }
  std::int64_t bytes() const override {
    return static_cast<std::int64_t>((row_.size() + column_.size()) * sizeof(std::int32_t) +
                                     sign_.size() * sizeof(T));
  }

 private:
  std::vector<std::int32_t> places(Index count, std::uint64_t seed, Purpose purpose,
                                   std::uint32_t layer) const {
    std::vector<std::int64_t> all(static_cast<std::size_t>(order_));
    shuffle(all.data(), order_, seed, purpose, layer);
    std::vector<std::int32_t> some;
    for (Index i = 0; i < count; ++i) {
      some.push_back(static_cast<std::int32_t>(all[static_cast<std::size_t>(i)]));
    }
    return some;
  }

  Index order_ = 1;
  std::vector<std::int32_t> row_, column_;
  std::vector<T> sign_;
  Buffer<T> work_;
};

}  // namespace

template <class T>
MadeMatrix<T> make_hadamard(const MatrixPlan& plan) {
  return std::make_unique<HadamardMatrix<T>>(plan);
}
template MadeMatrix<float> make_hadamard<float>(const MatrixPlan&);
template MadeMatrix<double> make_hadamard<double>(const MatrixPlan&);

}  // namespace fastfa

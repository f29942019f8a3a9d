// Binary feedback, ±scale in one bit each, and ternary, with a second bit for zero.
#include "core/matrices/feedback.h"

namespace fastfa {
namespace {

template <class T>
class BitMatrix final : public FeedbackMatrix<T> {
 public:
  explicit BitMatrix(const MatrixPlan& plan)
      : scale_(static_cast<T>(plan.scale)),
        positive_(plan.place, 1, (plan.n_l + 31) / 32 * plan.n_source) {
    draw_words(plan.seed, Purpose::feedback, plan.layer, positive_.cols(),
               [&](Index i, std::uint32_t word) { positive_.data()[i] = word; });
    if (plan.spec.matrix == Matrix::binary) return;
    kept_ = Buffer<std::uint32_t>(plan.place, 1, positive_.cols());
    UnitStream unit(plan.seed, Purpose::structure, plan.layer);
    for (Index i = 0; i < plan.n_l * plan.n_source; ++i) {
      const Index j = i / plan.n_source, k = i % plan.n_source;
      if (unit(i) < plan.spec.density) {
        kept_.data()[j / 32 * plan.n_source + k] |= std::uint32_t{1} << j % 32;
      }
    }
  }

  void propagate(const Carry<T>& carry, const Scene<T>& scene) override {
    scene.backend.propagate(PropagateBits<T>{carry, positive_.data(), kept_.data(), scale_});
  }
  std::int64_t bytes() const override {
    return (positive_.cols() + kept_.cols()) * Index{sizeof(std::uint32_t)};
  }

 private:
  T scale_;
  Buffer<std::uint32_t> positive_, kept_;
};

}  // namespace

template <class T>
MadeMatrix<T> make_bits(const MatrixPlan& plan) {
  return std::make_unique<BitMatrix<T>>(plan);
}
template MadeMatrix<float> make_bits<float>(const MatrixPlan&);
template MadeMatrix<double> make_bits<double>(const MatrixPlan&);

}  // namespace fastfa

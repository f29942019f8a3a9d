// Feedback through a locally connected layer, of the same pattern as its weights: Wᵀ itself, sign(Wᵀ)
// with any magnitude, or random weights of its own.
#include <algorithm>

#include "core/feedback.h"

namespace fastfa {
namespace {

template <class T>
class LocalMatrix final : public FeedbackMatrix<T> {
 public:
  explicit LocalMatrix(const MatrixPlan& plan)
      : kind_(plan.spec.matrix),
        magnitude_(plan.spec.magnitude),
        shape_(local_shape(plan.above.local)),
        scale_(static_cast<T>(plan.scale)),
        seed_(plan.seed),
        layer_(plan.layer) {
    if (kind_ == Matrix::transpose) return;
    b_ = new_weights(plan.place);
    if (kind_ == Matrix::sign && magnitude_ != Magnitude::uniform) size_ = new_weights(plan.place);
    const bool drawn = kind_ == Matrix::uniform || magnitude_ == Magnitude::fixed;
    if (!drawn) return;
    const bool sized = kind_ == Matrix::sign;
    draw_uniform(plan.seed, Purpose::feedback, plan.layer, shape_.units() * shape_.patch(), plan.scale,
                 [&](Index i, double value) {
                   Index row = 0, column = 0;
                   local_place(shape_, i, row, column);
                   (sized ? size_ : b_).row(row)[column] =
                       static_cast<T>(sized ? std::abs(value) : value);
                 });
  }

  void prepare(const Scene<T>& scene) override {
    if (kind_ != Matrix::sign) return;
    if (magnitude_ == Magnitude::redrawn) {
      scene.backend.draw({size_.data(), size_.ld(), size_.rows(), size_.cols(), 0,
                          static_cast<int>(Distribution::magnitude), scale_, seed_,
                          purpose_word(Purpose::redraw, layer_), static_cast<std::uint32_t>(scene.step),
                          nullptr, 0, 0, nullptr});
    }
    scene.backend.wait();
    for (Index p = 0; p < b_.rows(); ++p) {
      const T* w = scene.above->w.row(p);
      const T* size = size_ ? size_.row(p) : nullptr;
      T* b = b_.row(p);
      for (Index i = 0; i < b_.cols(); ++i) {
        const T magnitude = size ? size[i] : scale_;
        b[i] = w[i] > 0 ? magnitude : w[i] < 0 ? -magnitude : T(0);
      }
    }
  }

  void propagate(const Carry<T>& carry, const Scene<T>& scene) override {
    if (across_.cols() < carry.n) {
      across_ = Buffer<T>(scene.backend, shape_.units(), carry.n);
      below_ = Buffer<T>(scene.backend, shape_.inputs(), carry.n);
    }
    const Buffer<T>& b = kind_ == Matrix::transpose ? scene.above->w : b_;
    scene.backend.transpose(
        {carry.source, carry.lds, carry.n, shape_.units(), across_.data(), across_.ld()});
    scene.backend.local_back(
        {shape_, across_.data(), across_.ld(), carry.n, b.data(), b.ld(), below_.data(), below_.ld()});
    scene.backend.transpose(
        {below_.data(), below_.ld(), shape_.inputs(), carry.n, carry.delta, carry.ldd});
    scene.backend.gate({carry.delta, carry.ldd, carry.n, carry.n_l, carry.h, carry.ldh, carry.activation,
                        nullptr, carry.bad});
  }
  Buffer<T> learned() const override { return kind_ == Matrix::uniform ? b_ : Buffer<T>(); }
  std::int64_t bytes() const override { return kind_ == Matrix::sign ? size_.bytes() : b_.bytes(); }

 private:
  Buffer<T> new_weights(Place& place) const {
    return Buffer<T>(place, shape_.positions(), shape_.channels * shape_.block());
  }

  Matrix kind_;
  Magnitude magnitude_;
  LocalShape shape_;
  T scale_;
  std::uint64_t seed_;
  std::uint32_t layer_;
  Buffer<T> b_, size_;        // laid out as the weights; empty where not needed
  Buffer<T> across_, below_;  // the batch's source and result, transposed
};

}  // namespace

template <class T>
MadeMatrix<T> make_local(const MatrixPlan& plan) {
  return std::make_unique<LocalMatrix<T>>(plan);
}
template MadeMatrix<float> make_local<float>(const MatrixPlan&);
template MadeMatrix<double> make_local<double>(const MatrixPlan&);

}  // namespace fastfa

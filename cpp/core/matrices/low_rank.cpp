// B = scale · U V / √r, U (n_l, r) and V (r, n_source) normal: two thin products.
#include "core/matrices/feedback.h"

namespace fastfa {
namespace {

template <class T>
class LowRankMatrix final : public FeedbackMatrix<T> {
 public:
  explicit LowRankMatrix(const MatrixPlan& plan)
      : u_(plan.place, plan.spec.rank, plan.n_l),
        v_(plan.place, plan.n_source, plan.spec.rank),
        runs_(all_columns(plan.spec.rank)) {
    const Index rank = plan.spec.rank, in_u = plan.n_l * rank;
    const double scale_u = plan.scale / std::sqrt(static_cast<double>(rank));
    draw_normal(plan.seed, Purpose::feedback, plan.layer, in_u + rank * plan.n_source, 1.0,
                [&](Index i, double value) {
                  if (i < in_u) {
                    u_.row(i % rank)[i / rank] = static_cast<T>(scale_u * value);
                  } else {
                    v_.row((i - in_u) % plan.n_source)[(i - in_u) / plan.n_source] =
                        static_cast<T>(value);
                  }
                });
  }

  void propagate(const Carry<T>& carry, const Scene<T>& scene) override {
    if (middle_.rows() < carry.n) middle_ = Buffer<T>(scene.backend, carry.n, v_.cols());
    Carry<T> first = carry;  // source · Vᵀ → middle (n, r)
    first.n_l = v_.cols();
    first.activation = Activation::linear;
    first.delta = middle_.data();
    first.ldd = middle_.ld();
    scene.backend.propagate(Propagate<T>{first, v_.data(), v_.ld(), 0});
    Carry<T> second = carry;  // middle · Uᵀ → delta
    second.source = middle_.data();
    second.lds = middle_.ld();
    second.n_src = u_.rows();
    second.runs = runs_.data();
    second.n_runs = static_cast<Index>(runs_.size());
    scene.backend.propagate(Propagate<T>{second, u_.data(), u_.ld(), 0});
  }
  std::int64_t bytes() const override { return u_.bytes() + v_.bytes(); }

 private:
  Buffer<T> u_, v_;  // Uᵀ (r, n_l), Vᵀ (n_source, r)
  Buffer<T> middle_;
  std::vector<Run> runs_;
};

}  // namespace

template <class T>
MadeMatrix<T> make_low_rank(const MatrixPlan& plan) {
  return std::make_unique<LowRankMatrix<T>>(plan);
}
template MadeMatrix<float> make_low_rank<float>(const MatrixPlan&);
template MadeMatrix<double> make_low_rank<double>(const MatrixPlan&);

}  // namespace fastfa

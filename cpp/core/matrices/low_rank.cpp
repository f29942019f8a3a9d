// B = scale · U V / √r, U (n_l, r) and V (r, n_source) normal: two thin products.
#include "core/matrices/feedback.h"

namespace fastfa {
namespace {

template <class T>
class LowRankMatrix final : public FeedbackMatrix<T> {
 public:
  explicit LowRankMatrix(const MatrixRequest& request)
      : u_(request.allocator, request.spec.rank, request.n_l),
        v_(request.allocator, request.n_source, request.spec.rank),
        ranges_(all_columns(request.spec.rank)) {
    const Index rank = request.spec.rank, in_u = request.n_l * rank;
    const double scale_u = request.scale / std::sqrt(static_cast<double>(rank));
    draw_normal(request.seed, Purpose::feedback, request.layer, in_u + rank * request.n_source, 1.0,
                [&](Index i, double value) {
                  if (i < in_u) {
                    u_.row(i % rank)[i / rank] = static_cast<T>(scale_u * value);
                  } else {
                    v_.row((i - in_u) % request.n_source)[(i - in_u) / request.n_source] =
                        static_cast<T>(value);
                  }
                });
  }

  void propagate(const FeedbackProduct<T>& product, const FeedbackContext<T>& context) override {
    if (middle_.rows() < product.n) middle_ = Buffer<T>(context.backend, product.n, v_.cols());
    FeedbackProduct<T> first = product;  // source · Vᵀ → middle (n, r)
    first.n_l = v_.cols();
    first.activation = Activation::linear;
    first.delta = middle_;
    context.backend.propagate(Propagate<T>{first, v_, 0});
    FeedbackProduct<T> second = product;  // middle · Uᵀ → delta
    second.source = middle_;
    second.n_src = u_.rows();
    second.ranges = ranges_;
    context.backend.propagate(Propagate<T>{second, u_, 0});
  }
  std::int64_t bytes() const override { return u_.bytes() + v_.bytes(); }

 private:
  Buffer<T> u_, v_;  // Uᵀ (r, n_l), Vᵀ (n_source, r)
  Buffer<T> middle_;
  std::vector<ColumnRange> ranges_;
};

}  // namespace

template <class T>
MadeMatrix<T> make_low_rank(const MatrixRequest& request) {
  return std::make_unique<LowRankMatrix<T>>(request);
}
template MadeMatrix<float> make_low_rank<float>(const MatrixRequest&);
template MadeMatrix<double> make_low_rank<double>(const MatrixRequest&);

}  // namespace fastfa

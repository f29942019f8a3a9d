// B as numbers in memory: drawn (uniform, normal, orthogonal) or the caller's own. It can learn, unless
// it is kept in bf16.
#include "core/matrices/stored.h"

#include <cstring>

#include "core/machine/isa.h"
#include "core/matrices/feedback.h"

namespace fastfa {
namespace {

// Rows or columns, whichever are fewer, are orthogonal; elements have standard deviation `scale`. Haar:
// Q of a normal matrix with R's diagonal positive.
std::vector<double> draw_orthogonal(const MatrixRequest& request) {
  const bool tall = request.n_l >= request.n_source;
  const Index rows = tall ? request.n_l : request.n_source, cols = tall ? request.n_source : request.n_l;
  std::vector<double> q(static_cast<std::size_t>(rows * cols));
  const auto place = [&](Index i) {
    const Index r = i / request.n_source, c = i % request.n_source;
    return static_cast<std::size_t>(tall ? i : c * cols + r);
  };
  draw_normal(request.seed, Purpose::feedback, request.layer, rows * cols, 1.0,
              [&](Index i, double value) { q[place(i)] = value; });
  kernels().linear_algebra.orthonormalise(q.data(), rows, cols);
  std::vector<double> b(q.size());
  const double scale = request.scale * std::sqrt(static_cast<double>(rows));
  for (Index i = 0; i < rows * cols; ++i) b[static_cast<std::size_t>(i)] = scale * q[place(i)];
  return b;
}

// put(j, k, value) for every element of B (n_l, n_source).
template <class Put>
void put_elements(const MatrixRequest& request, Put&& put) {
  const Index count = request.n_l * request.n_source;
  const auto put_next = [&](Index i, double value) {
    put(i / request.n_source, i % request.n_source, value);
  };
  if (request.spec.matrix == Matrix::uniform) {
    draw_uniform(request.seed, Purpose::feedback, request.layer, count, request.scale, put_next);
  } else if (request.spec.matrix == Matrix::normal) {
    draw_normal(request.seed, Purpose::feedback, request.layer, count, request.scale, put_next);
  } else {
    const bool given = request.spec.matrix == Matrix::array;
    const std::vector<double> drawn = given ? std::vector<double>() : draw_orthogonal(request);
    const std::vector<double>& values = given ? request.spec.values : drawn;
    for (Index i = 0; i < count; ++i) put_next(i, values[static_cast<std::size_t>(i)]);
  }
}

// To nearest, ties to even. A subnormal number becomes zero, as in products in bf16.
std::uint32_t to_bf16(float x) {
  std::uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  if ((bits & 0x7f800000) == 0) return bits >> 31 << 15;
  return (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}

template <class T>
class PairMatrix final : public FeedbackMatrix<T> {
 public:
  explicit PairMatrix(const MatrixRequest& request)
      : b_(request.allocator, (request.n_source + 1) / 2, request.n_l) {
    put_elements(request, [&](Index j, Index k, double value) {
      b_.row(k / 2)[j] |= to_bf16(static_cast<float>(value)) << k % 2 * 16;
    });
  }

  void propagate(const FeedbackProduct<T>& product, const FeedbackContext<T>& context) override {
    context.backend.propagate(PropagatePairs<T>{product, b_});
  }
  std::int64_t bytes() const override { return b_.bytes(); }

 private:
  Buffer<std::uint32_t> b_;
};

}  // namespace

template <class T>
MadeMatrix<T> make_stored(const MatrixRequest& request) {
  if (request.spec.in_bf16) return std::make_unique<PairMatrix<T>>(request);
  Buffer<T> b(request.allocator, request.n_source, request.n_l);
  put_elements(request, [&](Index j, Index k, double value) { b.row(k)[j] = static_cast<T>(value); });
  return std::make_unique<StoredMatrix<T>>(std::move(b));
}
template MadeMatrix<float> make_stored<float>(const MatrixRequest&);
template MadeMatrix<double> make_stored<double>(const MatrixRequest&);

}  // namespace fastfa

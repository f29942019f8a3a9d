// B_rec: what carries errors back in time.
#include "core/base/random.h"
#include "core/matrices/stored.h"

namespace fastfa {

template <class T>
Feedback<T> make_recurrent_feedback(Allocator& allocator, const LayerSpec& layer, std::uint64_t seed,
                                    std::uint32_t index) {
  const RecurrentSpec& r = layer.recurrent;
  const Index n = layer.units;
  Feedback<T> f{};
  f.n_source = n;
  f.spec.matrix = r.feedback == RecurrentFeedback::zero        ? Matrix::zero
                  : r.feedback == RecurrentFeedback::transpose ? Matrix::transpose
                                                               : Matrix::normal;
  if (r.feedback != RecurrentFeedback::random) return f;
  f.scale = r.scale / std::sqrt(static_cast<double>(n));
  Buffer<T> b(allocator, n, n);
  draw_normal(seed, Purpose::recurrent_feedback, index, n * n, f.scale,
              [&](Index i, double value) { b.row(i % n)[i / n] = static_cast<T>(value); });
  f.matrix = std::make_unique<StoredMatrix<T>>(std::move(b));
  return f;
}

template Feedback<float> make_recurrent_feedback(Allocator&, const LayerSpec&, std::uint64_t,
                                                 std::uint32_t);
template Feedback<double> make_recurrent_feedback(Allocator&, const LayerSpec&, std::uint64_t,
                                                  std::uint32_t);

}  // namespace fastfa

// B_rec: what carries errors back in time.
#include "core/base/messages.h"
#include "core/base/random.h"
#include "core/base/sizes.h"
#include "core/matrices/stored.h"
#include "fastfa/names.h"

namespace fastfa {
namespace {

constexpr std::uint32_t own_streams = 1u << 23;  // of B_rec, beyond those of all B

// What means something between layers alone.
void check_in_time(const FeedbackSpec& spec, const std::string& name_of_it) {
  const std::string here = "[Network] " + name_of_it;
  if (spec.route != Route::layerwise) {
    refuse(here + ".route was '" + name(spec.route) + "'; it must be 'layerwise': from step to step");
  }
  if (spec.plasticity == Plasticity::weight_mirror) {
    refuse(here + ".plasticity was 'weight_mirror'; it must be 'fixed' or 'kolen_pollack'");
  }
  if (spec.refresh != 1) {
    refuse(here + ".refresh was " + std::to_string(spec.refresh) + "; it must be 1");
  }
  if (spec.gain != 0 || spec.growth != 1 || spec.before_slope) {
    refuse(here + " has a rule of scale with gain " + text(spec.gain) + ", growth " + text(spec.growth) +
           (spec.before_slope ? ", before the slope" : "") +
           "; its scale must be a number, or equal_error, which makes it as large as W at first");
  }
}

}  // namespace

template <class T>
Feedback<T> make_recurrent_feedback(Allocator& allocator, const LayerSpec& layer, std::uint64_t seed,
                                    std::uint32_t index) {
  const RecurrentSpec& r = layer.recurrent;
  const Index n = layer.units;
  const std::string name = "layers[" + std::to_string(index) + "].recurrent_feedback";
  const double sd = r.scale / std::sqrt(static_cast<double>(n));
  Feedback<T> f{};
  f.n_source = n;
  f.spec.matrix = r.matrix                                     ? r.matrix->matrix
                  : r.feedback == RecurrentFeedback::zero      ? Matrix::zero
                  : r.feedback == RecurrentFeedback::transpose ? Matrix::transpose
                                                               : Matrix::normal;
  if (!r.matrix && r.feedback == RecurrentFeedback::random) {
    with_room([&] { return "[Network] " + name; },
              static_cast<double>(sizeof(T)) * static_cast<double>(n) * static_cast<double>(n),
              [&] {
                Buffer<T> b(allocator, n, n);
                draw_normal(seed, Purpose::recurrent_feedback, index, n * n, sd,
                            [&](Index i, double value) { b.row(i % n)[i / n] = static_cast<T>(value); });
                f.matrix = std::make_unique<StoredMatrix<T>>(std::move(b));
              });
  }
  if (!r.matrix) return f;
  FeedbackSpec spec = *r.matrix;
  check_in_time(spec, name);
  const double unit = unit_variance(spec);
  if (spec.equal_error && unit > 0) spec.scale = sd / std::sqrt(unit);
  spec.equal_error = false;
  std::vector<Feedback<T>> made =
      make_feedback<T>(allocator, {spec}, n, {dense(n), dense(n)}, seed, index | own_streams, name);
  f = std::move(made.back());
  if (spec.matrix == Matrix::transpose) f.matrix.reset();
  return f;
}

template Feedback<float> make_recurrent_feedback(Allocator&, const LayerSpec&, std::uint64_t,
                                                 std::uint32_t);
template Feedback<double> make_recurrent_feedback(Allocator&, const LayerSpec&, std::uint64_t,
                                                  std::uint32_t);

}  // namespace fastfa

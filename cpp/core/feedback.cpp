#include "core/feedback.h"

#include <cmath>
#include <stdexcept>

#include "core/random.h"
#include "core/text.h"

namespace fastfa {
namespace {

using Units = std::vector<std::int64_t>;

std::string name_of(std::size_t layer) { return "feedback[" + std::to_string(layer) + "]"; }

[[noreturn]] void refuse(const std::string& message) {
  throw std::invalid_argument("[Network] " + message);
}

std::int64_t source_units(const FeedbackSpec& spec, std::size_t layer, const Units& units) {
  return spec.route == Route::direct ? units.back() : units[layer + 1];
}

// Var(B) = gain² / n_out into the last hidden layer and for the direct route, 1 / n_source below.
double equal_error_variance(const FeedbackSpec& spec, std::size_t layer, const Units& units) {
  const auto n_out = static_cast<double>(units.back());
  const auto n_top = static_cast<double>(units[units.size() - 2]);
  const bool from_output = spec.route == Route::direct || layer + 2 == units.size();
  if (!from_output) return 1.0 / static_cast<double>(source_units(spec, layer, units));
  const double gain = spec.gain > 0 ? spec.gain : std::sqrt(n_out / (3.0 * n_top));
  return gain * gain / n_out;
}

double scale_of(const FeedbackSpec& spec, std::size_t layer, const Units& units) {
  if (!spec.equal_error) return spec.scale;
  const double variance = equal_error_variance(spec, layer, units);
  return std::sqrt(spec.matrix == Matrix::uniform ? 3.0 * variance : variance);
}

template <class T>
void check(const FeedbackSpec& spec, std::size_t layer, const Units& units) {
  if (spec.matrix == Matrix::transpose && spec.route == Route::direct && layer + 2 != units.size()) {
    refuse(name_of(layer) +
           " is 'transpose' with route 'direct'; the transpose of W leads to the next layer "
           "only, so route must be 'layerwise'");
  }
  if (!(spec.scale >= 0 && spec.scale <= value_limit<T>)) {
    refuse(name_of(layer) + ".scale was " + text(spec.scale) + "; it must be at least 0 and at most " +
           limit_text<T>());
  }
  if (!(spec.gain >= 0 && spec.gain <= value_limit<T>)) {
    refuse(name_of(layer) + ".gain was " + text(spec.gain) + "; it must be at least 0 and at most " +
           limit_text<T>());
  }
  if (spec.matrix != Matrix::array) return;
  const std::int64_t n_l = units[layer], n_source = source_units(spec, layer, units);
  const auto shape = [](std::int64_t r, std::int64_t c) {
    return "(" + std::to_string(r) + ", " + std::to_string(c) + ")";
  };
  if (spec.rows != n_l || spec.cols != n_source ||
      static_cast<std::int64_t>(spec.values.size()) != n_l * n_source) {
    refuse(name_of(layer) + ".array has shape " + shape(spec.rows, spec.cols) + "; layer " +
           std::to_string(layer) + " has " + std::to_string(n_l) + " units and its source " +
           std::to_string(n_source) + ", so it must be " + shape(n_l, n_source));
  }
  for (double value : spec.values) {
    if (!(std::abs(value) <= value_limit<T>)) {
      refuse(name_of(layer) + ".array has a value of " + text(value) + "; each must be within ±" +
             limit_text<T>());
    }
  }
}

}  // namespace

template <class T>
std::vector<Feedback<T>> make_feedback(const std::vector<FeedbackSpec>& specs, const Units& units,
                                       std::uint64_t seed) {
  if (specs.size() + 1 != units.size()) {
    refuse("feedback has " + std::to_string(specs.size()) + " entries; the network has " +
           std::to_string(units.size() - 1) + " hidden layers and needs one for each");
  }
  for (std::size_t l = 0; l < specs.size(); ++l) check<T>(specs[l], l, units);

  std::vector<Feedback<T>> made;
  for (std::size_t l = 0; l < specs.size(); ++l) {
    const FeedbackSpec& spec = specs[l];
    Feedback<T> f{spec.matrix, spec.route, 0.0, {}};
    const Index n_l = units[l], n_source = source_units(spec, l, units);
    // Element i of the public, row-major B (n_l, n_source), to its place in Bᵀ.
    const auto put = [&](Index i, double value) {
      f.b.row(i % n_source)[i / n_source] = static_cast<T>(value);
    };
    const auto layer = static_cast<std::uint32_t>(l);
    switch (spec.matrix) {
      case Matrix::transpose:
      case Matrix::zero:
        break;
      case Matrix::uniform:
        f.b = Buffer<T>(n_source, n_l);
        f.scale = scale_of(spec, l, units);
        draw_uniform(seed, Purpose::feedback, layer, n_l * n_source, f.scale, put);
        break;
      case Matrix::normal:
        f.b = Buffer<T>(n_source, n_l);
        f.scale = scale_of(spec, l, units);
        draw_normal(seed, Purpose::feedback, layer, n_l * n_source, f.scale, put);
        break;
      case Matrix::array:
        f.b = Buffer<T>(n_source, n_l);
        for (Index i = 0; i < n_l * n_source; ++i) put(i, spec.values[static_cast<std::size_t>(i)]);
        break;
    }
    made.push_back(std::move(f));
  }
  return made;
}

template std::vector<Feedback<float>> make_feedback(const std::vector<FeedbackSpec>&, const Units&,
                                                    std::uint64_t);
template std::vector<Feedback<double>> make_feedback(const std::vector<FeedbackSpec>&, const Units&,
                                                     std::uint64_t);

}  // namespace fastfa

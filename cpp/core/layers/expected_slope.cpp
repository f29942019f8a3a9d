#include "core/layers/expected_slope.h"

#include <algorithm>
#include <cmath>

#include "core/layers/layer.h"

namespace fastfa {
namespace {

struct Expected {
  double slope_squared;  // E[σ′(a)²]
  double h_squared;      // E[σ(a)²]
};

// E[σ′] and E[σ′²] of a bell-shaped σ′ by the trapezoidal rule, which is exact here up to rounding: the
// step is a thirty-second of the narrower one of a's distribution and σ′, and beyond |a| = 40 σ′ is
// below 1e-17.
template <class Slope>
void bell(double v, Slope&& slope, double& mean, double& mean_of_square) {
  const double sd = std::sqrt(v);
  mean = slope(0.0);
  mean_of_square = mean * mean;
  if (!(sd > 1e-150)) return;
  const double step = std::min(1.0, sd) / 32;
  const auto most = static_cast<long>(std::min(40.0, 10 * sd) / step);
  double first = 0.0, second = 0.0;
  for (long i = -most; i <= most; ++i) {
    const double a = static_cast<double>(i) * step, z = a / sd;
    const double density = std::exp(-0.5 * z * z), s = slope(a);
    first += density * s;
    second += density * s * s;
  }
  const double part = step / (sd * 2.5066282746310005024);  // √(2π)
  mean = first * part;
  mean_of_square = std::max(second * part, 1e-300);
}

// Beyond z standard deviations above 0: the share of a's distribution, and its parts of E[|a|] / √v and
// E[a²] / v.
struct Tail {
  double share, mean, square;
  explicit Tail(double z)
      : share(std::erfc(z * root_half) / 2),
        mean(std::exp(-0.5 * z * z) * density_at_zero),
        square(share + z * std::exp(-0.5 * z * z) * density_at_zero) {}
};

// Of a σ that is smooth but at 0: by Simpson's rule on either side of it. Beyond |a| = 40 σ is taken as
// straight, which is exact up to rounding.
template <class S>
Expected smooth(double v, S sigma) {
  const double sd = std::sqrt(v);
  const auto squares = [sigma](double a) {
    const auto [h, slope] = value_and_slope(sigma, a);
    return Expected{slope * slope, h * h};
  };
  if (!(sd > 1e-150)) return squares(0.0);
  const double end = std::min(40.0, 10 * sd);
  const long half = static_cast<long>(64 * end / std::min(1.0, sd)) + 1;  // pairs of steps on a side
  const double step = end / static_cast<double>(2 * half);
  Expected sum{0, 0};
  for (long i = -2 * half; i <= 2 * half; ++i) {
    const double a = static_cast<double>(i) * step, z = a / sd;
    const bool edge = i == -2 * half || i == 2 * half;
    const double weight = (edge ? 1 : i % 2 == 0 ? 2 : 4) * std::exp(-0.5 * z * z);
    const Expected here = squares(a);
    sum.slope_squared += weight * here.slope_squared;
    sum.h_squared += weight * here.h_squared;
  }
  const double part = step / (3 * sd * 2.5066282746310005024);  // √(2π)
  Expected all{sum.slope_squared * part, sum.h_squared * part};
  const Tail tail(end / sd);
  for (const double side : {40.0, -40.0}) {  // h = at_zero + slope · a beyond it
    const auto [h, slope] = value_and_slope(sigma, side);
    const double at_zero = h - slope * side;
    all.slope_squared += slope * slope * tail.share;
    all.h_squared += slope * slope * v * tail.square;
    all.h_squared +=
        at_zero * at_zero * tail.share + std::copysign(2, side) * at_zero * slope * sd * tail.mean;
  }
  return all;
}

// σ′ of tanh, which 1 − tanh² would round to 0 far from a = 0.
double sech_squared(double a) {
  const double c = 1 / std::cosh(a);
  return c * c;
}

// For a σ of the caller's, about which nothing is known: sums by the trapezoidal rule, from −8 to 8
// standard deviations of a.
Expected sampled(double v, const Activator& activator) {
  constexpr long half = 256;
  constexpr double step = 8.0 / half;
  std::vector<double> a, h(2 * half + 1), slope(2 * half + 1);
  for (long i = -half; i <= half; ++i) a.push_back(static_cast<double>(i) * step * std::sqrt(v));
  activator(a.data(), 1, 2 * half + 1, h.data(), slope.data());
  Expected sum{0, 0};
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double z = (static_cast<double>(i) - static_cast<double>(half)) * step;
    const double part = std::exp(-0.5 * z * z) * density_at_zero * step;
    sum.slope_squared += part * slope[i] * slope[i];
    sum.h_squared += part * h[i] * h[i];
  }
  return {std::max(sum.slope_squared, 1e-300), sum.h_squared};
}

// Some activations have formulas of their own; of any other it is an integral.
Expected expected(const LayerSpec& layer, double v) {
  double mean = 0.0, square = 0.0;
  switch (layer.activation) {
    case Activation::linear:
    case Activation::softmax:  // of outputs alone, whose slope is in δ already
      return {1.0, v};
    case Activation::tanh:
      bell(v, [](double a) { return sech_squared(a); }, mean, square);
      return {square, 1 - mean};  // h² = 1 − σ′
    case Activation::logistic:
      bell(v, [](double a) { return sech_squared(a / 2) / 4; }, mean, square);
      return {square, 0.5 - mean};  // h² = h − σ′, and E[h] = 1/2
    case Activation::relu:
      return {0.5, 0.5 * v};
    case Activation::leaky_relu: {
      const double share = (1 + layer.leaky_slope * layer.leaky_slope) / 2;
      return {share, share * v};
    }
    case Activation::hard_tanh: {
      if (!(v > 1e-300)) return {1.0, v};
      const Tail tail(1 / std::sqrt(v));
      return {1 - 2 * tail.share, v * (1 - 2 * tail.square) + 2 * tail.share};
    }
    case Activation::custom:
      return sampled(v, layer.activator);
    default:
      return with_sigma(layer.activation, [v](auto sigma) { return smooth(v, sigma); });
  }
}

}  // namespace

std::vector<double> expected_slopes(const std::vector<LayerSpec>& layers, std::int64_t inputs) {
  std::vector<double> slopes;
  double below = 1.0;  // E[h²] of the layer below
  for (const LayerSpec& layer : layers) {
    const std::unique_ptr<Pattern<double>> pattern = make_pattern<double>(layer, inputs);
    inputs = pattern->n_out;
    if (is_pooling(layer)) {  // taken as leaving E[h²] as it is
      slopes.push_back(slopes.empty() ? 1.0 : slopes.back());
      continue;
    }
    const auto fan_in = static_cast<double>(pattern->fan_in);
    const double omega = pattern->weight_scale(layer);
    const Expected e = expected(layer, fan_in * layer.existing() * omega * omega / 3 * below);
    slopes.push_back(e.slope_squared);
    below = e.h_squared;
  }
  return slopes;
}

}  // namespace fastfa

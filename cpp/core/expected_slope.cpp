#include "core/expected_slope.h"

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

Expected expected(Activation activation, double v) {
  double mean = 0.0, square = 0.0;
  switch (activation) {
    case Activation::tanh:
      bell(
          v,
          [](double a) {
            const double c = 1 / std::cosh(a);
            return c * c;
          },
          mean, square);
      return {square, 1 - mean};  // h² = 1 − σ′
    case Activation::logistic:
      bell(
          v,
          [](double a) {
            const double c = 1 / std::cosh(a / 2);
            return c * c / 4;
          },
          mean, square);
      return {square, 0.5 - mean};  // h² = h − σ′, and E[h] = 1/2
    case Activation::relu:
      return {0.5, 0.5 * v};
    case Activation::leaky_relu: {
      const double share = (1 + 0.05 * 0.05) / 2;
      return {share, share * v};
    }
    case Activation::linear:
    case Activation::softmax:  // of outputs alone, whose slope is in δ already
      break;
  }
  return {1.0, v};
}

}  // namespace

std::vector<double> expected_slopes(const std::vector<LayerSpec>& layers, std::int64_t inputs) {
  std::vector<double> slopes;
  double below = 1.0;  // E[h²] of the layer below
  for (const LayerSpec& layer : layers) {
    const std::unique_ptr<Pattern<double>> pattern = make_pattern<double>(layer, inputs);
    const auto fan_in = static_cast<double>(pattern->fan_in);
    const double omega = pattern->weight_scale(layer);
    const Expected e = expected(layer.activation, fan_in * layer.density * omega * omega / 3 * below);
    slopes.push_back(e.slope_squared);
    below = e.h_squared;
    inputs = pattern->n_out;
  }
  return slopes;
}

}  // namespace fastfa

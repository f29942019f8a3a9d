#include "fastfa/distort.h"

#include <cmath>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/base/messages.h"
#include "core/base/sizes.h"
#include "fastfa/philox.h"

namespace fastfa {
namespace {

constexpr double pi = 3.14159265358979323846;

void check(const Distortion& d, std::int64_t channels) {
  const auto refuse = [](const std::string& what) {
    throw std::invalid_argument("[Distortion] " + what);
  };
  if (d.height < 1 || d.width < 1 || channels < 1 || d.height > 4096 || d.width > 4096) {
    refuse("the image is " + std::to_string(d.height) + " × " + std::to_string(d.width) + " with " +
           std::to_string(channels) + " channels; each must be positive and sides at most 4096");
  }
  const auto inside = [&](const char* name, double value, double low, double high) {
    if (!(value >= low && value <= high)) {
      refuse(std::string(name) + " was " + text(value) + "; it must be in [" + text(low) + ", " +
             text(high) + "]");
    }
  };
  inside("alpha", d.alpha, 0, 1e4);
  inside("sigma", d.sigma, 1e-3, 1e4);
  inside("translate", d.translate, 0, 1e4);
  inside("rotate", d.rotate, 0, 180);
  inside("scale", d.scale, 0, 0.99);
  inside("fill", d.fill, -1e9, 1e9);
}

// g(|i − j|) normalised over all distances, so that a sum over j smooths a line that is zero outside.
std::vector<float> gaussian(std::int64_t size, double sigma) {
  std::vector<double> g(static_cast<std::size_t>(size));
  double total = 0;
  for (std::int64_t i = 0; i < 8 * size + static_cast<std::int64_t>(8 * sigma); ++i) {
    const double value = std::exp(-0.5 * static_cast<double>(i * i) / (sigma * sigma));
    if (i < size) g[static_cast<std::size_t>(i)] = value;
    total += i == 0 ? value : 2 * value;
  }
  std::vector<float> matrix;
  for (std::int64_t i = 0; i < size; ++i) {
    for (std::int64_t j = 0; j < size; ++j) {
      matrix.push_back(static_cast<float>(g[static_cast<std::size_t>(std::abs(i - j))] / total));
    }
  }
  return matrix;
}

// Where one image's pixels come from.
class Field {
 public:
  explicit Field(const Distortion& how)
      : how_(how),
        pixels_(static_cast<std::size_t>(how.height * how.width)),
        smooth_y_(gaussian(how.height, how.sigma)),
        smooth_x_(gaussian(how.width, how.sigma)),
        noise_(2 * pixels_ + 8),
        half_(pixels_),
        dy(pixels_),
        dx(pixels_) {}

  void draw(std::uint64_t seed, std::uint32_t epoch, std::int64_t image) {
    const std::uint64_t blocks = 1 + (2 * pixels_ + 7) / 8;
    std::uint64_t block = static_cast<std::uint64_t>(image) * blocks;
    const Philox4x32 p = philox_block(seed, Purpose::distortion, epoch, block++);
    const auto unit = [&](int i) { return (p.word[i] + 0.5) / 2147483648.0 - 1; };  // in (−1, 1)
    set_affine(unit(0) * how_.translate, unit(1) * how_.translate, unit(2) * how_.rotate,
               1 + unit(3) * how_.scale);
    if (how_.alpha == 0) return;
    for (std::size_t i = 0; i < 2 * pixels_; i += 8) {
      const Philox4x32 q = philox_block(seed, Purpose::distortion, epoch, block++);
      for (std::size_t k = 0; k < 8; ++k) {  // 16 bits each
        const auto s = static_cast<std::int16_t>(q.word[k / 2] >> 16 * (k % 2));
        noise_[i + k] = (static_cast<float>(s) + 0.5f) / 32768.0f;
      }
    }
    smooth(noise_.data(), dy);
    smooth(noise_.data() + pixels_, dx);
  }

 private:
  // Rows, then columns; α (g ∗ u) is added to what the affine part says.
  void smooth(const float* u, std::vector<float>& to) {
    const auto h = static_cast<std::size_t>(how_.height), w = static_cast<std::size_t>(how_.width);
    const auto alpha = static_cast<float>(how_.alpha);
    for (std::size_t y = 0; y < h; ++y) {
      float* line = half_.data() + y * w;
      for (std::size_t x = 0; x < w; ++x) line[x] = 0;
      for (std::size_t k = 0; k < w; ++k) {
        const float value = u[y * w + k];
        for (std::size_t x = 0; x < w; ++x) line[x] += value * smooth_x_[k * w + x];
      }
    }
    for (std::size_t y = 0; y < h; ++y) {
      float* line = to.data() + y * w;
      for (std::size_t k = 0; k < h; ++k) {
        const float weight = alpha * smooth_y_[y * h + k];
        for (std::size_t x = 0; x < w; ++x) line[x] += weight * half_[k * w + x];
      }
    }
  }

  void set_affine(double ty, double tx, double degrees, double scale) {
    const double cy = 0.5 * static_cast<double>(how_.height - 1);
    const double cx = 0.5 * static_cast<double>(how_.width - 1);
    const double c = std::cos(degrees * pi / 180) / scale, s = std::sin(degrees * pi / 180) / scale;
    for (std::int64_t y = 0, i = 0; y < how_.height; ++y) {
      for (std::int64_t x = 0; x < how_.width; ++x, ++i) {
        const double v = static_cast<double>(y) - cy - ty, u = static_cast<double>(x) - cx - tx;
        dy[static_cast<std::size_t>(i)] = static_cast<float>(cy + c * v - s * u);
        dx[static_cast<std::size_t>(i)] = static_cast<float>(cx + s * v + c * u);
      }
    }
  }

  const Distortion& how_;
  std::size_t pixels_;
  std::vector<float> smooth_y_, smooth_x_, noise_, half_;

 public:
  std::vector<float> dy, dx;  // of each output pixel: the place in the input
};

template <class T>
void sample(const T* x, T* out, const Distortion& how, const Field& from) {
  const auto fill = static_cast<T>(how.fill);
  const std::int64_t h = how.height, w = how.width;
  for (std::int64_t i = 0; i < h * w; ++i) {
    const float py = from.dy[static_cast<std::size_t>(i)], px = from.dx[static_cast<std::size_t>(i)];
    if (!(py > -1 && py < static_cast<float>(h) && px > -1 && px < static_cast<float>(w))) {
      out[i] = fill;
      continue;
    }
    const auto y = static_cast<std::int64_t>(std::floor(py)),
               x0 = static_cast<std::int64_t>(std::floor(px));
    const T fy = static_cast<T>(py - static_cast<float>(y)),
            fx = static_cast<T>(px - static_cast<float>(x0));
    const auto at = [&](std::int64_t r, std::int64_t c) {
      return r >= 0 && r < h && c >= 0 && c < w ? x[r * w + c] : fill;
    };
    const T top = at(y, x0) + fx * (at(y, x0 + 1) - at(y, x0));
    const T bottom = at(y + 1, x0) + fx * (at(y + 1, x0 + 1) - at(y + 1, x0));
    out[i] = top + fy * (bottom - top);
  }
}

}  // namespace

template <class T>
void distort(const T* x, T* out, std::int64_t n, std::int64_t channels, std::int64_t first,
             const Distortion& how, std::uint64_t seed, std::uint32_t epoch) {
  check(how, channels);
  size_product("[Distortion] the images have", {n, channels, how.height, how.width});
  Field field(how);
  for (std::int64_t i = 0; i < n; ++i) {
    field.draw(seed, epoch, first + i);
    for (std::int64_t c = 0; c < channels; ++c) {
      const std::int64_t at = (i * channels + c) * how.height * how.width;
      sample(x + at, out + at, how, field);
    }
  }
}
template FASTFA_API void distort(const float*, float*, std::int64_t, std::int64_t, std::int64_t,
                                 const Distortion&, std::uint64_t, std::uint32_t);
template FASTFA_API void distort(const double*, double*, std::int64_t, std::int64_t, std::int64_t,
                                 const Distortion&, std::uint64_t, std::uint32_t);

}  // namespace fastfa

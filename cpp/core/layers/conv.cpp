// A convolution: all positions look at their patches through the same weights. They are kept as a
// matrix, row (ky, kx, channel), column map; images are laid out with examples side by side
// (conv_ops.h).
#include "core/base/messages.h"
#include "core/base/sizes.h"
#include "core/layers/geometry.h"
#include "core/layers/layer.h"

namespace fastfa {
namespace {

Index check_conv(const LayerSpec& layer, Index n_in, const std::string& where) {
  const LocalShape k = check_geometry(layer, n_in, where);
  size_product(where + ": its weights are", {k.channels, k.kernel_h, k.kernel_w, padded<float>(k.maps)});
  const Bordered seen = seen_by(k);
  size_product(where + ": its inputs and their border are", {seen.channels, seen.rows, seen.cols});
  size_product(where + ": its units are", {k.maps, k.out_h, k.out_w});
  if (layer.density != 1) refuse(where + ".density must be 1 for a convolution");
  return k.units();
}

template <class T>
class ConvPattern final : public Pattern<T> {
 public:
  explicit ConvPattern(const LocalShape& g)
      : Pattern<T>({"convolutional", g.inputs(), g.units(), g.patch(), false, g.maps}), geometry_(g) {}

  Index count() const override { return geometry_.maps * geometry_.patch(); }
  Buffer<T> make(Allocator& allocator) const override {
    return Buffer<T>(allocator, geometry_.patch(), geometry_.maps);
  }
  // Element i of the public, row-major weights (maps, channels, kernel_h, kernel_w).
  void draw(const Buffer<T>& weights, std::uint64_t seed, Purpose purpose, std::uint32_t index,
            double scale) const override {
    const LocalShape& g = geometry_;
    const Index pixels = g.kernel_h * g.kernel_w;
    draw_uniform(seed, purpose, index, count(), scale, [&](Index i, double value) {
      const Index pixel = i % pixels, channel = i / pixels % g.channels;
      weights.row(pixel * g.channels + channel)[i / g.patch()] = static_cast<T>(value);
    });
  }
  WeightView<T> view(const Buffer<T>& weights) const override {
    const LocalShape& g = geometry_;
    const Index ld = weights.ld();
    return {weights.data(),
            {g.maps, g.channels, g.kernel_h, g.kernel_w},
            {1, ld, g.kernel_w * g.channels * ld, g.channels * ld}};
  }
  void send_back(Backend<T>& backend, const FeedbackProduct<T>& product,
                 const Buffer<T>& weights) override {
    const LocalShape& g = geometry_;
    if (across_.cols() < product.n) {
      across_ = Buffer<T>(backend, g.units(), product.n);
      below_ = Buffer<T>(backend, g.inputs(), product.n);
    }
    backend.lay_images({units_of(g), product.source, product.lds, product.n, across_.data()});
    backend.conv_back({g, across_.data(), product.n, weights.data(), weights.ld(), below_.data()});
    backend.take_images({{g.channels, g.height, g.width, 0, 0, g.height, g.width},
                         below_.data(),
                         product.n,
                         product.delta,
                         product.ldd});
    backend.times_slope({product.delta, product.ldd, product.n, product.n_l, product.h, product.ldh,
                         product.activation, nullptr, product.bad});
  }

 private:
  LocalShape geometry_;
  Buffer<T> across_, below_;  // the batch's source and result, across
};

template <class T>
class ConvLayer final : public Layer<T> {
 public:
  ConvLayer(Allocator& allocator, const LayerSpec& s, std::uint64_t seed, std::uint32_t index)
      : Layer<T>(allocator, s, std::make_unique<ConvPattern<T>>(geometry(s.local)), seed, index),
        geometry_(geometry(s.local)) {}

  void reserve(Allocator& allocator, Index batch) override {
    Layer<T>::reserve(allocator, batch);
    this->laid = nullptr;
    this->laid_n = 0;
    this->scratch = {Buffer<T>(allocator, seen_by(geometry_).places(), batch),
                     Buffer<T>(allocator, geometry_.units(), batch)};
    if (!sums_) sums_ = Buffer<double>(allocator, geometry_.patch() + 1, geometry_.maps);
  }

  void forward(Backend<T>& backend, const Buffer<T>& below, const std::vector<ColumnRange>&, Index n,
               Sigma activation, const Buffer<T>& to, T*, int* bad) override {
    const Buffer<T>&seen = this->scratch[0], &made = this->scratch[1];
    lay_below(backend, below, n);
    backend.conv_forward({geometry_, seen.data(), n, this->w.data(), this->w.ld(), this->bias.data(),
                          activation, made.data(), to.data(), to.ld(), bad});
  }

  void learn(Backend<T>& backend, const Learning<T>& learning, const Buffer<T>& below,
             const std::vector<ColumnRange>&, Index n, const Buffer<T>& weights,
             const Moments<T>& moments, bool with_bias) const override {
    const Buffer<T>&seen = this->scratch[0], &made = this->scratch[1], &errors = this->delta;
    if (this->laid != below.data() || this->laid_n != n) lay_below(backend, below, n);
    backend.lay_images({units_of(geometry_), errors.data(), errors.ld(), n, made.data()});
    backend.conv_update({learning, geometry_, seen.data(), made.data(), n, weights.data(), weights.ld(),
                         moments.v.data(), moments.s.data(), with_bias ? this->bias.data() : nullptr,
                         this->of_bias.v.data(), this->of_bias.s.data(), sums_.data(), sums_.ld()});
  }

 private:
  void lay_below(Backend<T>& backend, const Buffer<T>& below, Index n) const {
    const Buffer<T>& seen = this->scratch[0];
    // Where the border lies depends on n, and nobody but this writes it.
    if (this->laid_n != 0 && this->laid_n != n) backend.clear(seen.data(), seen.rows() * seen.ld());
    this->laid = below.data();
    this->laid_n = n;
    backend.lay_images({seen_by(geometry_), below.data(), below.ld(), n, seen.data()});
  }

  LocalShape geometry_;
  Buffer<double> sums_;  // scratch of the kernels
};

}  // namespace

template <class T>
LayerKind<T> conv_kind() {
  return {check_conv,
          [](const LayerSpec& spec, Index) -> std::unique_ptr<Pattern<T>> {
            return std::make_unique<ConvPattern<T>>(geometry(spec.local));
          },
          [](Allocator& allocator, const LayerSpec& spec, Index, std::uint64_t seed,
             std::uint32_t index) -> std::unique_ptr<Layer<T>> {
            return std::make_unique<ConvLayer<T>>(allocator, spec, seed, index);
          }};
}
template LayerKind<float> conv_kind<float>();
template LayerKind<double> conv_kind<double>();

}  // namespace fastfa

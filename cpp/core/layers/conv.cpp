// A convolution: all positions look at their patches through the same weights. They are kept as a
// matrix, row (ky, kx, channel), column map (conv_ops.h).
#include "core/base/messages.h"
#include "core/base/sizes.h"
#include "core/layers/geometry.h"
#include "core/layers/layer.h"

namespace fastfa {
namespace {

constexpr Index most_of_conv = Index{1} << 30;  // devices count inputs, units and weights in 32 bits

Index check_conv(const LayerSpec& layer, Index n_in, const std::string& where) {
  const LocalShape k = check_geometry(layer, n_in, where);
  size_product(where + ": its weights are", {k.channels, k.kernel_h, k.kernel_w, padded<float>(k.maps)});
  size_product(where + ": its inputs and their border are",
               {k.channels, k.height + k.kernel_h, k.width + k.kernel_w});
  size_product(where + ": its units are", {k.maps, k.out_h, k.out_w});
  for (Index size : {k.inputs(), k.units(), k.maps * k.patch()}) {
    if (size < most_of_conv) continue;
    refuse(where + " has " + std::to_string(size) +
           " inputs, units or weights; a convolution must have fewer than 2^30 of each");
  }
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
    T* const scratch = backend.scratch(backend.conv_room(g, product.n).back);
    backend.conv_back({g, weights, product.n, product.source, scratch, product.delta});
    backend.times_slope(end_of(product));
  }

 private:
  LocalShape geometry_;
};

template <class T>
class ConvLayer final : public Layer<T> {
 public:
  ConvLayer(Allocator& allocator, const LayerSpec& s, std::uint64_t seed, std::uint32_t index)
      : Layer<T>(allocator, s, std::make_unique<ConvPattern<T>>(geometry(s.local)), seed, index),
        geometry_(geometry(s.local)) {}

  void reserve(Backend<T>& backend, Index batch) override {
    Layer<T>::reserve(backend, batch);
    const LocalShape& g = geometry_;
    const auto room = backend.conv_room(g, batch);
    const Index rows = room.parts * (g.patch() + 1);
    backend.scratch(room.forward);
    if (sums_.rows() < rows) sums_ = Buffer<double>(backend, rows, g.maps);
  }

  void forward(Backend<T>& backend, const Buffer<T>& below, const std::vector<ColumnRange>&, Index n,
               Sigma activation, const Buffer<T>& to, T*, int* bad) override {
    backend.conv_forward(
        {geometry_, below, n, this->w, this->bias.data(), activation, to, scratch(backend, n), bad});
  }

  void learn(Backend<T>& backend, const Learning<T>& learning, const Buffer<T>& below,
             const std::vector<ColumnRange>&, Index n, const Parameters<T>& parameters) const override {
    backend.conv_update(
        {learning, parameters.arrays(), geometry_, below, n, this->delta, scratch(backend, n), sums_});
  }

 private:
  T* scratch(Backend<T>& backend, Index n) const {
    return backend.scratch(backend.conv_room(geometry_, n).forward);
  }

  LocalShape geometry_;
  Buffer<double> sums_;  // of the gradient's parts
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

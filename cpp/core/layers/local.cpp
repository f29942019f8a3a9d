// A locally connected layer: each of its positions has weights of its own for a patch of the image
// below. They are kept position by position (LocalShape in ops.h).
#include "core/base/messages.h"
#include "core/base/sizes.h"
#include "core/layers/geometry.h"
#include "core/layers/layer.h"

namespace fastfa {
namespace {

Index check_local(const LayerSpec& layer, Index n_in, const std::string& where) {
  const LocalShape k = check_geometry(layer, n_in, where);
  // Four sizes must fit: the weights of one position for one channel; for all channels, each padded to
  // whole cache lines; the weights of all positions; the units.
  const Index block =
      size_product(where + ": a position's weights are", {k.kernel_h, k.kernel_w, k.maps});
  const Index position =
      size_product(where + ": a position's weights are", {k.channels, padded<float>(block)});
  size_product(where + ": its weights are", {k.out_h, k.out_w, position});
  size_product(where + ": its units are", {k.maps, k.out_h, k.out_w});
  if (layer.density != 1) refuse(where + ".density must be 1 for a locally connected layer");
  return k.units();
}

template <class T>
class LocalPattern final : public Pattern<T> {
 public:
  explicit LocalPattern(const LocalShape& g)
      : Pattern<T>({"locally connected", g.inputs(), g.units(), g.patch(), false, g.units()}),
        geometry_(g) {}

  Index count() const override { return geometry_.units() * geometry_.patch(); }
  Buffer<T> make(Allocator& allocator) const override {
    return Buffer<T>(allocator, geometry_.positions(), geometry_.channels * geometry_.block());
  }
  // Element i of the public, row-major weights (maps, out_h, out_w, channels, kernel_h, kernel_w).
  void draw(const Buffer<T>& weights, std::uint64_t seed, Purpose purpose, std::uint32_t index,
            double scale) const override {
    const LocalShape& g = geometry_;
    const Index pixels = g.kernel_h * g.kernel_w, positions = g.positions();
    draw_uniform(seed, purpose, index, count(), scale, [&](Index i, double value) {
      const Index pixel = i % pixels, channel = i / pixels % g.channels, unit = i / pixels / g.channels;
      weights.row(unit % positions)[channel * g.block() + pixel * g.maps + unit / positions] =
          static_cast<T>(value);
    });
  }
  WeightView<T> view(const Buffer<T>& weights) const override {
    const LocalShape& g = geometry_;
    return {weights.data(),
            {g.maps, g.out_h, g.out_w, g.channels, g.kernel_h, g.kernel_w},
            {1, g.out_w * weights.ld(), weights.ld(), g.block(), g.kernel_w * g.maps, g.maps}};
  }
  void send_back(Backend<T>& backend, const FeedbackProduct<T>& product,
                 const Buffer<T>& weights) override {
    if (across_.cols() < product.n) {
      across_ = Buffer<T>(backend, this->n_out, product.n);
      below_ = Buffer<T>(backend, this->n_in, product.n);
    }
    backend.transpose({product.n, product.source, this->n_out, across_});
    backend.local_back({across_, geometry_, weights, product.n, below_});
    backend.transpose({this->n_in, below_, product.n, product.delta});
    backend.times_slope(end_of(product));
  }

 private:
  LocalShape geometry_;
  Buffer<T> across_, below_;  // the batch's source and result, transposed
};

template <class T>
class LocalLayer final : public Layer<T> {
 public:
  LocalLayer(Allocator& allocator, const LayerSpec& s, std::uint64_t seed, std::uint32_t index)
      : Layer<T>(allocator, s, std::make_unique<LocalPattern<T>>(geometry(s.local)), seed, index),
        geometry_(geometry(s.local)) {}

  void reserve(Backend<T>& backend, Index batch) override {
    Layer<T>::reserve(backend, batch);
    // Inputs and units with examples side by side.
    this->scratch = {Buffer<T>(backend, this->n_in, batch), Buffer<T>(backend, this->n_out, batch)};
    weights_ = Buffer<T>(backend, 1, local_tiles * geometry_.template scratch<T>());
    bias_gradient_ = Buffer<T>(backend, 1, this->n_out);
    if (batch > k_block && geometry_.template whole<T>() > 0) {
      whole_ = Buffer<double>(backend, 1, local_tiles * geometry_.template whole<T>());
    }
  }

  void forward(Backend<T>& backend, const Buffer<T>& below, const std::vector<ColumnRange>&, Index n,
               Sigma activation, const Buffer<T>& to, T*, int* bad) override {
    backend.local_forward(
        {room(), geometry_, below, n, this->w, this->bias.data(), activation, to, bad});
  }

  void learn(Backend<T>& backend, const Learning<T>& learning, const Buffer<T>& below,
             const std::vector<ColumnRange>&, Index n, const Parameters<T>& parameters) const override {
    backend.local_update({learning, parameters.arrays(), room(), geometry_, below, n,
                          bias_gradient_.data(), this->delta, whole_.data()});
  }

 private:
  LocalScratch<T> room() const { return {this->scratch[0], weights_.data(), this->scratch[1]}; }

  LocalShape geometry_;
  Buffer<T> weights_, bias_gradient_;  // scratch of the kernels
  Buffer<double> whole_;
};

}  // namespace

template <class T>
LayerKind<T> local_kind() {
  return {check_local,
          [](const LayerSpec& spec, Index) -> std::unique_ptr<Pattern<T>> {
            return std::make_unique<LocalPattern<T>>(geometry(spec.local));
          },
          [](Allocator& allocator, const LayerSpec& spec, Index, std::uint64_t seed,
             std::uint32_t index) -> std::unique_ptr<Layer<T>> {
            return std::make_unique<LocalLayer<T>>(allocator, spec, seed, index);
          }};
}
template LayerKind<float> local_kind<float>();
template LayerKind<double> local_kind<double>();

}  // namespace fastfa

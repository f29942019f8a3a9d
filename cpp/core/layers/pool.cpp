// Pooling: the mean or the largest value of each patch, channel by channel. There are no weights; errors
// go back by its derivative, whatever B there is.
#include "core/base/messages.h"
#include "core/base/sizes.h"
#include "core/layers/geometry.h"
#include "core/layers/layer.h"

namespace fastfa {
namespace {

bool takes_largest(const LayerSpec& layer) { return layer.local.patches == Patches::max; }

Index check_pool(const LayerSpec& layer, Index n_in, const std::string& where) {
  const LocalShape k = check_geometry(layer, n_in, where);
  if (k.maps != k.channels || layer.local.same || layer.bias || layer.activation != Activation::linear ||
      layer.density != 1) {
    refuse(where +
           " is a pooling layer; it must have as many maps as channels, padding 'valid', activation "
           "'linear', density 1 and no bias");
  }
  size_product(where + ": its units are", {k.maps, k.out_h, k.out_w});
  return k.units();
}

template <class T>
class PoolPattern final : public Pattern<T> {
 public:
  PoolPattern(const LocalShape& g, bool largest)
      : Pattern<T>({"pooling", g.inputs(), g.units(), g.kernel_h * g.kernel_w, false, 0}),
        geometry_(g),
        largest_(largest) {}

  Index count() const override { return 0; }
  // Errors at the units and at the inputs, as mean squares.
  double passes_on() const override {
    const double share = static_cast<double>(this->n_out) / static_cast<double>(this->n_in);
    return largest_ ? share : share / static_cast<double>(this->fan_in);
  }
  Buffer<T> make(Allocator&) const override { return {}; }
  void draw(const Buffer<T>&, std::uint64_t, Purpose, std::uint32_t, double) const override {}
  WeightView<T> view(const Buffer<T>&) const override { return {}; }
  // Average pooling only. Max pooling also needs to know which inputs were the largest: derive().
  void send_back(Backend<T>& backend, const FeedbackProduct<T>& product, const Buffer<T>&) override {
    back(backend, product, {});
  }
  void back(Backend<T>& backend, const FeedbackProduct<T>& product, const Buffer<T>& chosen) {
    backend.pool_back({product.source, geometry_, product.delta, product.n, chosen});
    backend.times_slope(end_of(product));
  }

 private:
  LocalShape geometry_;
  bool largest_;
};

template <class T>
class PoolLayer final : public Layer<T> {
 public:
  PoolLayer(Allocator& allocator, const LayerSpec& s, std::uint64_t seed, std::uint32_t index)
      : Layer<T>(allocator, s, std::make_unique<PoolPattern<T>>(geometry(s.local), takes_largest(s)),
                 seed, index),
        geometry_(geometry(s.local)) {}

  void reserve(Backend<T>& backend, Index batch) override {
    Layer<T>::reserve(backend, batch);
    if (takes_largest(this->spec)) this->chosen = Buffer<T>(backend, batch, this->n_out);
  }
  void forward(Backend<T>& backend, const Buffer<T>& below, const std::vector<ColumnRange>&, Index n,
               Sigma, const Buffer<T>& to, T*, int*) override {
    backend.pool_forward({below, geometry_, to, n, this->chosen});
  }
  void derive(Backend<T>& backend, const FeedbackProduct<T>& product) const override {
    pattern().back(backend, product, this->chosen);
  }
  void learn(Backend<T>&, const Learning<T>&, const Buffer<T>&, const std::vector<ColumnRange>&, Index,
             const Parameters<T>&) const override {}

 private:
  PoolPattern<T>& pattern() const { return static_cast<PoolPattern<T>&>(*Layer<T>::pattern); }

  LocalShape geometry_;
};

}  // namespace

template <class T>
LayerKind<T> pool_kind() {
  return {check_pool,
          [](const LayerSpec& spec, Index) -> std::unique_ptr<Pattern<T>> {
            return std::make_unique<PoolPattern<T>>(geometry(spec.local), takes_largest(spec));
          },
          [](Allocator& allocator, const LayerSpec& spec, Index, std::uint64_t seed,
             std::uint32_t index) -> std::unique_ptr<Layer<T>> {
            return std::make_unique<PoolLayer<T>>(allocator, spec, seed, index);
          }};
}
template LayerKind<float> pool_kind<float>();
template LayerKind<double> pool_kind<double>();

}  // namespace fastfa

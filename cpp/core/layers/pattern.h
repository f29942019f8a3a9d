// A layer's pattern: which inputs each of its units sees, through which weights, and where those lie in
// memory. What follows from a layer's description alone.
#pragma once

#include <algorithm>
#include <cmath>
#include <memory>
#include <vector>

#include "core/base/random.h"
#include "core/machine/backend.h"
#include "core/machine/buffer.h"
#include "fastfa/types.h"

namespace fastfa {

// The columns [0, n) in ranges, as the kernels take them.
inline std::vector<ColumnRange> all_columns(Index n) {
  std::vector<ColumnRange> ranges;
  for (Index begin = 0; begin < n; begin += k_block) {
    ranges.push_back({static_cast<std::int32_t>(begin),
                      static_cast<std::int32_t>(begin + k_block < n ? begin + k_block : n)});
  }
  return ranges;
}

struct LayerShape {
  const char* kind;  // as messages call it: "dense"
  Index n_in, n_out;
  Index fan_in;  // inputs of each unit
  bool full;     // a weight for each pair of input and unit: the weights are a matrix (n_in, n_out)
  Index biases;  // 0: there can be none

  // ω of the weights at first, U(−ω, ω).
  double weight_scale(const LayerSpec& spec) const {
    return spec.weight_scale.value_or(1.0 / std::sqrt(static_cast<double>(fan_in)));
  }
};

// Writes a matrix, transposed, to `to` (n_source, n_l): what send(product) makes of the unit vectors.
template <class T, class Send>
void write_products(Backend<T>& backend, const Buffer<T>& to, T* partial, Send&& send) {
  const Index n_source = to.rows(), n_l = to.cols(), rows = std::min(n_source, Index{64});
  backend.wait();
  const Buffer<T> unit(backend, rows, n_source);
  const std::vector<ColumnRange> ranges = all_columns(n_source);
  const Buffer<int> bad(backend, 1, 1);  // ignored: B may exceed the limit that holds for deltas
  for (Index first = 0; first < n_source; first += rows) {
    const Index n = std::min(rows, n_source - first);
    for (Index r = 0; r < n; ++r) unit.row(r)[first + r] = T(1);
    send(FeedbackProduct<T>{n, unit, n_source, ranges, n_l, to, Activation::linear, to.from(first),
                            partial, bad.data()});
    backend.wait();
    for (Index r = 0; r < n; ++r) unit.row(r)[first + r] = T(0);
  }
}

// Each kind of layer derives a class from it. A B that has the pattern of a layer uses it, too.
template <class T>
class Pattern : public LayerShape {
 public:
  explicit Pattern(const LayerShape& shape) : LayerShape(shape) {}
  virtual ~Pattern() = default;
  Pattern(const Pattern&) = delete;
  Pattern& operator=(const Pattern&) = delete;

  virtual Index count() const = 0;  // number of weights
  // Of a layer without weights: the mean square of the errors below it if it is 1 above.
  virtual double passes_on() const { return 1.0; }
  // A buffer for the weights, filled with zeros.
  virtual Buffer<T> make(Allocator& allocator) const = 0;
  // Each weight from U(−scale, scale), in the order in which they are shown.
  virtual void draw(const Buffer<T>& weights, std::uint64_t seed, Purpose purpose, std::uint32_t index,
                    double scale) const = 0;
  // The weights in the layout that users see.
  virtual WeightView<T> view(const Buffer<T>& weights) const = 0;
  // product.delta (n, n_in) = (source (n, n_out) through `weights`, backwards) ∘ σ′
  virtual void send_back(Backend<T>& backend, const FeedbackProduct<T>& product,
                         const Buffer<T>& weights) = 0;
  // `weights` as a matrix (n_out, n_in), with zeros where no weight is.
  virtual void write_matrix(Backend<T>& backend, const Buffer<T>& weights, const Buffer<T>& to,
                            T* partial) {
    write_products(backend, to, partial,
                   [&](const FeedbackProduct<T>& product) { send_back(backend, product, weights); });
  }
};

}  // namespace fastfa

// The feedback algebra: route × matrix × plasticity. What carries the error into each hidden layer.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/layers/layer.h"
#include "core/machine/backend.h"
#include "core/matrices/traits.h"
#include "fastfa/types.h"

namespace fastfa {

// What a matrix may use besides its own numbers. `above` is the layer above the one whose δ it makes,
// `w` its weights as a matrix, Wᵀ (n_l, n_source), and `step` counts the network's steps.
template <class T>
struct FeedbackContext {
  Backend<T>& backend;
  const Layer<T>* above;
  std::int64_t step;
  View<const T> w;
};

// A matrix B (n_l, n_source), however it is held. One kind, one file of core/matrices/.
template <class T>
class FeedbackMatrix {
 public:
  virtual ~FeedbackMatrix() = default;
  // Called before each batch, for kinds of B that follow the weights or are drawn anew.
  virtual void prepare(const FeedbackContext<T>&) {}
  // Called when the weights were replaced instead of learned: drops what was made of the old ones.
  virtual void forget() {}
  // δ_l = (B δ_source) ∘ σ′(h_l)
  virtual void propagate(const FeedbackProduct<T>&, const FeedbackContext<T>&) = 0;
  // Bᵀ (n_source, n_l) where it is stored dense and is state, not a consequence of the weights.
  virtual Buffer<T> stored() const { return {}; }
  // What plasticity writes to: `stored`, or weights that are laid out as those of the layer above.
  virtual Buffer<T> learned() const { return stored(); }
  bool learns_as_weights() const { return learned() && !stored(); }
  // Bᵀ made of earlier weights and still in use, which makes it state, and the step it is from (−1:
  // there is none yet). Null for kinds that keep no such thing.
  virtual Buffer<T> kept() const { return {}; }
  virtual Index* kept_since() { return nullptr; }
  virtual std::int64_t bytes() const = 0;
};

template <class T>
struct Feedback {
  FeedbackSpec spec;  // without the array
  MatrixTraits traits{};
  double scale = 0.0;  // in use; 0 where there is none
  Index n_source = 0;
  std::unique_ptr<FeedbackMatrix<T>> matrix;  // null: nothing is sent
  Moments<T> of_b;                            // for Kolen–Pollack
  Parameters<T> gradient;                     // of B, where gradients are limited
  // Of a B that learns to be Wᵀ of the layer above: which elements of Bᵀ (n_source, n_l) exist, those
  // of W's weights. Empty: all.
  Buffer<std::uint32_t> mask;
};

// What a kind is made from.
struct MatrixRequest {
  Allocator& allocator;  // where it keeps its numbers
  const FeedbackSpec& spec;
  const LayerSpec& above;
  Index n_l, n_source;
  double scale;
  std::uint64_t seed;
  std::uint32_t layer;
};
template <class T>
using MadeMatrix = std::unique_ptr<FeedbackMatrix<T>>;

// Has B an element for each weight of W above, instead of being a full matrix? This holds for Wᵀ,
// sign(Wᵀ) and, layerwise, `uniform` where that layer is not full itself.
bool is_patterned(const FeedbackSpec& spec, const LayerShape& above);

// A row of the table of matrices: a name, what is known of it, and who makes it.
template <class T>
struct MatrixKind {
  Matrix matrix;
  MatrixTraits traits;
  MadeMatrix<T> (*make)(const MatrixRequest&);  // returns null if the layer gets no error
};
// The row for this feedback below the layer `above`, whose pattern may ask for another maker.
template <class T>
MatrixKind<T> matrix_kind(const FeedbackSpec& spec, const LayerShape& above);

// One feedback for each hidden layer; `specs` has one for each hidden layer with weights. If pooling
// follows such a layer, its B makes the δ of the pooling's output, and the δ below that is the pooling's
// derivative. `layers`: all layers, from the first to the output. The first feedback is drawn from the
// random stream of layer number `first`, the next from that of `first` + 1, and so on. Throws
// std::invalid_argument that names the argument: by `name`, if it is given.
template <class T>
std::vector<Feedback<T>> make_feedback(Allocator& allocator, const std::vector<FeedbackSpec>& specs,
                                       std::int64_t inputs, const std::vector<LayerSpec>& layers,
                                       std::uint64_t seed, std::uint32_t first = 0,
                                       const std::string& name = {});

// B_rec (n, n), by which the recurrent layer number `index` sends errors back in time. Without a matrix
// for zero and transpose, which the layer knows itself.
template <class T>
Feedback<T> make_recurrent_feedback(Allocator& allocator, const LayerSpec& layer, std::uint64_t seed,
                                    std::uint32_t index);
// The variance of B's elements at scale 1; 0 for kinds without a scale.
double unit_variance(const FeedbackSpec& spec);

// Magnitudes of a B that is drawn anew for each batch.
template <class T>
void draw_magnitudes(const FeedbackContext<T>& context, const Buffer<T>& to, T scale, std::uint64_t seed,
                     std::uint32_t layer) {
  Draw<T> drawn{};
  drawn.out = to;
  drawn.rows = to.rows();
  drawn.cols = to.cols();
  drawn.distribution = Distribution::magnitude;
  drawn.scale = scale;
  drawn.seed = seed;
  drawn.purpose = purpose_word(Purpose::redraw, layer);
  drawn.layer = static_cast<std::uint32_t>(context.step);
  context.backend.draw(drawn);
}

// Writes Bᵀ to `to` (n_source, n_l), row by row as the product of B and a unit vector.
template <class T>
void write_matrix(FeedbackMatrix<T>* matrix, const FeedbackContext<T>& context, const Buffer<T>& to,
                  T* partial);

}  // namespace fastfa

// The operations of a backend: one argument pack each. Plain data, shared by the core and by kernels
// compiled for several instruction sets, so nothing in here may have code that could differ. Packs are
// filled by name. Where one is filled by position, no two neighbours have the same type, so that the
// compiler finds two that were swapped: fields are in such an order.
//
// Storage: activations and deltas are (examples, units) with rows `ld` apart; a weight matrix is kept
// input-major, W[i*ld + o], so that outputs are contiguous and an input that is zero in the whole batch
// costs nothing. Every row starts on 64 bytes, ld is a multiple of 16, and padding columns of weights,
// biases, feedback, activations of hidden layers and deltas are zero.
#pragma once

#include <cstdint>
#include <type_traits>
#include <utility>

#include "fastfa/types.h"

#if defined(__CUDACC__)
#define FASTFA_ON_DEVICE __host__ __device__
#else
#define FASTFA_ON_DEVICE
#endif
#define FASTFA_INLINE __attribute__((always_inline)) FASTFA_ON_DEVICE

namespace fastfa {

using Index = std::int64_t;

// A matrix in memory, whose rows are `ld` elements apart: m[r] is row r. Null: there is none.
template <class T>
struct View {
  T* data = nullptr;
  Index ld = 0;

  View() = default;
  FASTFA_INLINE constexpr View(T* first, Index distance) : data(first), ld(distance) {}
  template <class U, class = std::enable_if_t<std::is_same_v<const U, T>>>
  FASTFA_INLINE constexpr View(View<U> m) : data(m.data), ld(m.ld) {}

  FASTFA_INLINE constexpr T* operator[](Index row) const { return data + row * ld; }
  FASTFA_INLINE constexpr explicit operator bool() const { return data != nullptr; }
  // What begins at this element of it.
  FASTFA_INLINE constexpr View from(Index row, Index col = 0) const {
    return {data + row * ld + col, ld};
  }
};

// An activation function: which one, and the slope of leaky_relu below zero (others don't use it).
struct Sigma {
  Activation kind = Activation::linear;
  double leak = 0;
  Sigma() = default;
  Sigma(Activation k, double slope = 0) : kind(k), leak(slope) {}
};

// Input columns [begin, end) that are not zero in the whole batch. No range crosses a multiple of
// k_block, and ranges ascend.
struct ColumnRange {
  std::int32_t begin, end;
};
constexpr Index k_block = 256;
// A list of ranges of columns. If `data` is null, there are none.
struct Ranges {
  const ColumnRange* data = nullptr;
  Index count = 0;

  Ranges() = default;
  FASTFA_INLINE constexpr Ranges(const ColumnRange* first, Index n) : data(first), count(n) {}
  template <class List, class = decltype(std::declval<List>().data())>
  FASTFA_INLINE Ranges(const List& list) : data(list.data()), count(static_cast<Index>(list.size())) {}

  FASTFA_INLINE constexpr const ColumnRange& operator[](Index i) const { return data[i]; }
};

// With so few examples a product is formed in up to max_row_chunks parts (small_batch.h). `partial` of
// an argument pack has room for partial_rows rows of padded_cols(columns of the result).
constexpr Index small_batch = 4;
constexpr Index max_row_chunks = 16;
constexpr Index partial_rows = 2 * max_row_chunks;
constexpr Index padded_cols(Index cols) { return (cols + 15) / 16 * 16; }

// Copies examples order[0…n) of x to h; active[c] = 1 where column c is not all zero.
template <class T>
struct Gather {
  Index n;
  View<const T> x;
  const Index* order;
  Index cols;
  View<T> h;
  unsigned char* active;
  int* bad;  // set to 1 when a value is NaN, infinite, or too large to train on
};

// a = σ(h W + b): h (n, n_in) · W (n_in, n_out) → a (n, n_out), overwritten.
template <class T>
struct DenseForward {
  Index n;
  View<const T> h;
  Index n_in;
  Ranges ranges;
  View<const T> w;
  Index n_out;
  const T* bias;     // null: none
  Sigma activation;  // applied to a; linear leaves the pre-activation
  View<T> a;
  T* partial;
  int* bad;
};

// Output layer, in place: a (n, n_out) → σ(a); then δ, loss and error per example when y is given.
template <class T>
struct Output {
  Index n;
  View<T> a;
  Index n_out;
  Sigma activation;
  Loss loss;
  View<const T> y;  // null: activation only
  const Index* order;
  View<T> delta;         // (n, n_out), overwritten; null: loss and error only
  double* loss_rows;     // (n)
  unsigned char* wrong;  // (n)
  int* bad;
  // What each example counts, by which its loss and δ are multiplied: in the caller's order, as y, and
  // then the batch's own (n), overwritten. Null: 1, and nothing is written.
  const T* weight = nullptr;
  double* weight_rows = nullptr;
};

// What all ways of carrying an error down have in common: δ_l = (B δ_source) ∘ σ′(h_l),
// source (n, n_src) → delta (n, n_l), overwritten. Each of them adds how it holds B.
template <class T>
struct FeedbackProduct {
  Index n;
  View<const T> source;
  Index n_src;
  Ranges ranges;  // of source units
  Index n_l;
  View<const T> h;  // not read when activation is linear
  Sigma activation;
  View<T> delta;
  T* partial;
  int* bad;
};

// B dense. transposed = 0: b holds Bᵀ as (n_src, n_l);  1: b holds B as (n_l, n_src), e.g. the weights
// above.
template <class T>
struct Propagate : FeedbackProduct<T> {
  View<const T> b;
  int transposed;
};

// B = scale · sign(w), or magnitude ∘ sign(w): both (n_l, n_src).
template <class T>
struct PropagateSign : FeedbackProduct<T> {
  View<const T> w;
  T scale;
  View<const T> magnitude;  // null: scale
};

// B of ±scale, and 0 where `kept` has a 0: bit j % 32 of word [j / 32 · n_src + k] is element (j, k).
template <class T>
struct PropagateBits : FeedbackProduct<T> {
  const std::uint32_t* positive;
  T scale;
  const std::uint32_t* kept;  // null: all
};

// B in bf16: word j of row r has elements (j, 2r), in its lower half, and (j, 2r + 1). With an odd n_src
// the last row's upper halves are zero.
template <class T>
struct PropagatePairs : FeedbackProduct<T> {
  View<const std::uint32_t> b;  // (⌈n_src / 2⌉, n_l)
};

// B drawn from Philox where it is used: element (j, k) is byte k % 16 of block (j, k / 16), one of 256
// values spread evenly over (−scale, scale). `layer` is the counter's last word.
template <class T>
struct PropagateProcedural : FeedbackProduct<T> {
  std::uint64_t seed;
  std::uint32_t purpose;
  T scale;
  std::uint32_t layer;
};

// B by rows: those of unit j are columns column[start[j] … start[j + 1]) with their values. `across` is
// the source transposed, (n_src, n); with one example it isn't used.
template <class T>
struct PropagateSparse : FeedbackProduct<T> {
  const Index* start;
  const std::int32_t* column;
  const T* value;
  View<const T> across;
};

// B[j, k] = H[row[j], column[k]] · sign[k], H the Walsh–Hadamard matrix of `order`, a power of two.
// `work` has max_row_chunks rows of padded_cols(order).
template <class T>
struct PropagateHadamard : FeedbackProduct<T> {
  const std::int32_t* row;
  const T* sign;  // times the scale
  const std::int32_t* column;
  Index order;
  T* work;
};

// delta ← factor[row] · delta ∘ σ′(h): the end of feedback that was made elsewhere. factor null: 1.
template <class T>
struct TimesSlope {
  Index n;
  View<T> delta;
  Index cols;
  View<const T> h;  // not read when activation is linear
  Sigma activation;
  const double* factor;
  int* bad;
};
// The last part of a feedback product: its delta holds B δ already, and is multiplied by σ′.
template <class T>
TimesSlope<T> end_of(const FeedbackProduct<T>& product) {
  return {product.n, product.delta, product.n_l, product.h, product.activation, nullptr, product.bad};
}

// slope ← σ′(h), then h ← σ(h), h being the pre-activation: for an activation whose slope doesn't follow
// from its value. Feedback gets `slope` for its h.
template <class T>
struct Activate {
  Index n;
  View<T> h;
  Index cols;
  Sigma activation;
  View<T> slope;
};

// to (cols, n), n padded with zeros to whole vectors ← x (n, cols) transposed
template <class T>
struct Transpose {
  Index n;
  View<const T> x;
  Index cols;
  View<T> to;
};

// Random numbers from Philox: out (rows, cols), overwritten; with `a`, also a ← σ(a + out). Element (r,
// c) is word r % 4 of block (c, r / 4); r counts from row0, a multiple of 4.
enum class Distribution : int { magnitude, uniform, normal };  // U(0, s), U(−s, s), N(0, s²)
template <class T>
struct Draw {
  View<T> out;
  Index rows, cols, row0;
  Distribution distribution;
  T scale;
  std::uint64_t seed;
  std::uint32_t purpose, layer;  // the counter's last two words
  View<T> a;                     // null: none
  Sigma activation;
  int* bad;
};

// to = x · scale where the element is kept, 0 where it is dropped; to may be x. Element (r, c) is
// dropped if word r % 4 of block (c, r / 4) is below `threshold`; r counts from row0, a multiple of 4.
template <class T>
struct Dropout {
  View<const T> x;
  Index rows, cols, row0;
  View<T> to;
  std::uint32_t threshold;
  T scale;
  std::uint64_t seed;
  std::uint32_t purpose, layer;
};

// out[3n …] = x·y, x·x, y·y of row n; padding columns of x or y are zero.
template <class T>
struct RowDots {
  Index n;
  View<const T> x;
  Index cols;
  View<const T> y;
  double* out;
};

// For a device that runs ahead of its checks: halted ← 1 where one of this step's flags is set; until
// then the batch's losses and errors are added up.
struct Tally {
  const double* loss_rows;     // (n)
  const unsigned char* wrong;  // (n)
  const double* weight_rows;   // (n), of weighted examples: those of the wrong ones are added up, too
  Index n;
  const int* flags;
  Index n_flags;
  int* halted;
  double* loss_sum;
  Index* wrong_sum;
  double* missed_sum;
};

// What an optimizer does with a gradient. With g = rate · gradient − decay · w:
//   SGD    v ← momentum · v + g,  w ← w + v, or with nesterov w ← w + g + momentum · v
//   Adam   v ← v + fresh · (g − v), or g where v isn't kept,  s ← s + fresh2 · (g² − s),
//          w ← w + step · v / (root · √s + epsilon)
// fresh and fresh2 are 1 − β₁ and 1 − β₂, which would be lost in T where β is close to 1. Where Adam is
// decoupled, g is without decay, and decay · w is taken from w itself.
template <class T>
struct Learning {
  T rate, decay, momentum, fresh, fresh2, step, root, epsilon;
  T bias_rate, bias_decay, bias_step;  // a bias' own
  bool nesterov, decoupled;
  const int* halted;  // of a device that runs ahead of its checks: not 0 leaves all as it is; else null

  // What it is to a bias.
  FASTFA_ON_DEVICE Learning of_bias() const {
    Learning own = *this;
    own.rate = bias_rate;
    own.decay = bias_decay;
    own.step = bias_step;
    return own;
  }
};

// What an update changes: W, a bias, and the optimizer's memory of them.
template <class T>
struct ParameterArrays {
  View<T> w;
  T* v;     // laid out as w; null: no momentum, and no mean of g
  T* s;     // the same; null: SGD
  T* bias;  // null: none
  T* v_bias;
  T* s_bias;
};

// One update, gradient hᵀδ, over the rows in `ranges`; of the bias Σ δ.
template <class T>
struct DenseUpdate : Learning<T>, ParameterArrays<T> {
  Index n;
  View<const T> h;
  Index n_in;
  Ranges ranges;
  View<const T> delta;
  Index n_out;
  // Bit c % 32 of word [i, c / 32]: whether W[i, c] exists; null: all do.
  View<const std::uint32_t> mask;
  // pending_decays[i]: steps of weight decay not yet applied to row i of w. They are applied first, and
  // the count is set to 0. Null: there are none. With n = 0 they are all that is done.
  std::int32_t* pending_decays = nullptr;
};

// The optimizer's step with a gradient that is there already, each element of it cut off beyond ±limit.
// All arrays have `count` elements, padding of rows included.
template <class T>
struct ApplyGradient : Learning<T> {
  const T* gradient = nullptr;
  T limit = 0;  // infinity: none
  T* w = nullptr;
  T* v = nullptr;
  T* s = nullptr;
  Index count = 0;
};

// A dense layer that learns from small_batch examples at the most: the update that the last batch left,
// then the forward pass of this one. `last` has a rate and decay alone, no memory and no mask; both have
// the same number of examples. Of a row whose input is zero in both, the decay may stay pending
// (last.pending_decays), if nothing else reads W meanwhile.
template <class T>
struct DenseOnline {
  DenseForward<T> forward;
  DenseUpdate<T> last;
};

// The version of the packs, here and in bf16_ops.h, tiny_ops.h, local_ops.h, conv_ops.h,
// recurrent_ops.h and kernel_table.h.
constexpr std::uint32_t kernel_abi = 25;

// Training stops at activations or deltas beyond this magnitude. Two of them, times any learning rate
// that check_optimizer() lets pass, don't overflow: so every weight is still finite then.
template <class T>
constexpr T value_limit = sizeof(T) == 4 ? T(1e14) : T(1e140);

}  // namespace fastfa

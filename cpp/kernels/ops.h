// The operations of a backend: one argument pack each. Plain data, shared by the core and by kernels
// compiled for several instruction sets, so nothing in here may have code that could differ.
//
// Storage: activations and deltas are (examples, units) with rows `ld` apart; a weight matrix is kept
// input-major, W[i*ld + o], so that outputs are contiguous and an input that is zero in the whole batch
// costs nothing. Every row starts on 64 bytes, ld is a multiple of 16, and padding columns of weights,
// biases, feedback and deltas are zero.
#pragma once

#include <cstdint>

namespace fastfa {

using Index = std::int64_t;

// Input columns [begin, end) that are not zero in the whole batch. No run crosses a multiple of
// k_block, and runs ascend.
struct Run {
  std::int32_t begin, end;
};
constexpr Index k_block = 256;

// With one example, a product is formed in this many parts at the most (one_row.h). `partial` of an
// argument pack has room for max_row_chunks rows of padded_cols(columns of the result).
constexpr Index max_row_chunks = 16;
constexpr Index padded_cols(Index cols) { return (cols + 15) / 16 * 16; }

// Copies examples order[0…n) of x (rows ldx apart) to h; active[c] = 1 where column c is not all zero.
template <class T>
struct Gather {
  const T* x;
  Index ldx;
  const Index* order;
  Index n, cols;
  T* h;
  Index ldh;
  unsigned char* active;
  int* bad;  // set to 1 when a value is NaN, infinite, or too large to train on
};

// a = σ(h W + b): h (n, n_in) · W (n_in, n_out) → a (n, n_out), overwritten.
template <class T>
struct DenseForward {
  const T* h;
  Index ldh;
  Index n, n_in;
  const Run* runs;
  Index n_runs;
  const T* w;
  Index ldw;
  Index n_out;
  const T* bias;   // null: none
  int activation;  // applied to a; linear leaves the pre-activation
  T* a;
  Index lda;
  T* partial;
  int* bad;
};

// Output layer, in place: a (n, n_out) → σ(a); then δ, loss and error per example when y is given.
template <class T>
struct Output {
  T* a;
  Index lda;
  Index n, n_out;
  int activation, loss;
  const T* y;  // null: activation only
  Index ldy;
  const Index* order;
  T* delta;  // (n, n_out), overwritten; null: loss and error only
  Index ldd;
  double* loss_rows;     // (n)
  unsigned char* wrong;  // (n)
  int* bad;
};

// δ_l = (B δ_source) ∘ σ′(h_l): delta_source (n, n_src) · Bᵀ → delta (n, n_l), overwritten.
// transposed = 0: b holds Bᵀ as (n_src, n_l);  1: b holds B as (n_l, n_src), e.g. the weights above.
template <class T>
struct Propagate {
  const T* source;
  Index lds;
  Index n, n_src;
  const Run* runs;  // of source units
  Index n_runs;
  const T* b;
  Index ldb;
  int transposed;
  Index n_l;
  const T* h;
  Index ldh;
  int activation;
  T* delta;
  Index ldd;
  T* partial;
  int* bad;
};

// v ← α v + (ηs hᵀδ − ηγ W), W ← W + v over the rows in `runs`; bias likewise without decay.
template <class T>
struct DenseUpdate {
  const T* h;
  Index ldh;
  Index n, n_in;
  const Run* runs;
  Index n_runs;
  const T* delta;
  Index ldd;
  Index n_out;
  T* w;
  Index ldw;
  T* v;     // null: no momentum
  T* bias;  // null: none
  T* v_bias;
  T lr, decay, momentum;  // ηs, ηγ, α
};

// How many independent tiles an operation has (from its shape alone, never from the thread count), the
// function that does some of them, and what remains to be done when all are (null: nothing).
template <class Args>
struct Op {
  int (*tiles)(const Args&);
  void (*run)(const Args&, int begin, int end);
  void (*finish)(const Args&);
};

template <class T>
struct KernelSet {
  Op<Gather<T>> gather;
  Op<DenseForward<T>> dense_forward;
  Op<Output<T>> output;
  Op<Propagate<T>> propagate;
  Op<DenseUpdate<T>> dense_update;
};

// What a kernel library exports as `fastfa_kernels`.
struct KernelTable {
  std::uint32_t abi;
  const char* level;
  const char* eigen;
  KernelSet<float> f32;
  KernelSet<double> f64;
};
constexpr std::uint32_t kernel_abi = 2;

// Training stops at activations or deltas beyond this magnitude. Two of them, times any learning rate
// that check_sgd() lets pass, don't overflow: so every weight is still finite then.
template <class T>
constexpr T value_limit = sizeof(T) == 4 ? T(1e14) : T(1e140);

}  // namespace fastfa

// cuBLAS, opened at run time: it is on the user's machine, not where fastfa is built. What is needed of
// its C interface is declared here (cuBLAS Library documentation, NVIDIA).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "kernels/ops.h"

namespace fastfa::cuda {

// C (rows, cols) = A (rows, depth) · B (depth, cols); what was in C is overwritten. If a_across is true,
// the memory of `a` has the transpose of A, and so for `b`.
template <class T>
struct Product {
  Index rows, cols, depth;
  View<const T> a;
  bool a_across;
  View<const T> b;
  bool b_across;
  View<T> c;
};

class Blas {
 public:
  static constexpr std::size_t workspace_bytes = std::size_t{32} << 20;  // what cuBLAS asks for at most

  // The library at `path`, for the current device. It works in `workspace`, of workspace_bytes, so that
  // it takes no memory of its own while a step is recorded. Throws std::runtime_error.
  Blas(const std::string& path, void* workspace);
  ~Blas();
  Blas(const Blas&) = delete;
  Blas& operator=(const Blas&) = delete;

  // Queues a product on a stream; float ones in TF32 if asked for, else in float32.
  void multiply(const Product<float>& p, bool tf32, std::uintptr_t stream);
  void multiply(const Product<double>& p, bool tf32, std::uintptr_t stream);

 private:
  template <class T>
  using Gemm = int (*)(void*, int, int, std::int64_t, std::int64_t, std::int64_t, const T*, const T*,
                       std::int64_t, const T*, std::int64_t, const T*, T*, std::int64_t);

  void check(int status, const char* what) const;
  void use(bool tf32, std::uintptr_t stream);
  template <class T>
  void multiply(Gemm<T> gemm, const Product<T>& p);

  void* workspace_;
  void* handle_ = nullptr;
  std::uintptr_t stream_ = 0;
  int math_ = 0;
  int (*destroy_)(void*);
  int (*set_stream_)(void*, void*);
  int (*set_workspace_)(void*, void*, std::size_t);
  int (*set_math_)(void*, int);
  const char* (*text_of_)(int);
  Gemm<float> sgemm_;
  Gemm<double> dgemm_;
};

}  // namespace fastfa::cuda

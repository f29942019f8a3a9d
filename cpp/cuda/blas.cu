#include "cuda/blas.h"

#include <dlfcn.h>

#include <stdexcept>

namespace fastfa::cuda {
namespace {

// Values of cuBLAS' enumerations.
constexpr int as_it_lies = 0, transposed = 1;  // cublasOperation_t
constexpr int plain_math = 0, tf32_math = 3;   // cublasMath_t

template <class F>
void find(void* library, const char* name, F& function) {
  function = reinterpret_cast<F>(dlsym(library, name));
  if (!function)
    throw std::runtime_error(std::string("it has no ") + name + "; it must be cuBLAS 12 or later");
}

}  // namespace

Blas::Blas(const std::string& path, void* workspace) : workspace_(workspace) {
  void* library =
      dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);  // for good: CUDA libraries aren't unloaded
  if (!library) throw std::runtime_error(std::string("cuBLAS can't be loaded: ") + dlerror());
  try {
    int (*create)(void**);
    find(library, "cublasCreate_v2", create);
    find(library, "cublasDestroy_v2", destroy_);
    find(library, "cublasSetStream_v2", set_stream_);
    find(library, "cublasSetWorkspace_v2", set_workspace_);
    find(library, "cublasSetMathMode", set_math_);
    find(library, "cublasGetStatusString", text_of_);
    find(library, "cublasSgemm_v2_64", sgemm_);
    find(library, "cublasDgemm_v2_64", dgemm_);
    check(create(&handle_), "it can't be used");
  } catch (const std::runtime_error& error) {
    throw std::runtime_error("cuBLAS (" + path + "): " + error.what());
  }
}
Blas::~Blas() { destroy_(handle_); }

void Blas::check(int status, const char* what) const {
  if (status != 0) throw std::runtime_error(std::string(what) + ": " + text_of_(status));
}

void Blas::use(bool tf32, std::uintptr_t stream) {
  if (stream != stream_) {
    stream_ = 0;
    check(set_stream_(handle_, reinterpret_cast<void*>(stream)), "[cuda] cuBLAS, a stream");
    check(set_workspace_(handle_, workspace_, workspace_bytes), "[cuda] cuBLAS, its workspace");
    stream_ = stream;
  }
  const int math = tf32 ? tf32_math : plain_math;
  if (math == math_) return;
  check(set_math_(handle_, math), "[cuda] cuBLAS, a precision");
  math_ = math;
}

// cuBLAS counts down columns: what it sees is Cᵀ = Bᵀ Aᵀ.
template <class T>
void Blas::multiply(Gemm<T> gemm, const Product<T>& p) {
  const T one = 1, zero = 0;
  const auto how = [](bool across) { return across ? transposed : as_it_lies; };
  check(gemm(handle_, how(p.b_across), how(p.a_across), p.cols, p.rows, p.depth, &one, p.b.data, p.b.ld,
             p.a.data, p.a.ld, &zero, p.c.data, p.c.ld),
        "[cuda] cuBLAS, a product");
}
void Blas::multiply(const Product<float>& p, bool tf32, std::uintptr_t stream) {
  use(tf32, stream);
  multiply(sgemm_, p);
}
void Blas::multiply(const Product<double>& p, bool, std::uintptr_t stream) {
  use(false, stream);
  multiply(dgemm_, p);
}

}  // namespace fastfa::cuda

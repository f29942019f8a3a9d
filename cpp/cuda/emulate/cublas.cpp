// A stand-in for cuBLAS on the emulated device: the functions that cuda/blas.h asks for, with cuBLAS'
// own names, numbers and rules (column-major; a new stream takes the workspace away, and without one
// nothing can be recorded).
#include <atomic>
#include <cstring>

#include "cuda/emulate/device.h"
#include "fastfa/export.h"

namespace fastfa::cuda {
namespace {

using emulate::Memory;
using emulate::Queue;

enum Status { success = 0, invalid = 7, failed = 13 };
struct Handle {
  std::shared_ptr<Queue> stream = Queue::of(1);
  bool workspace = false;
  int math = 0;
};
Handle& of(void* handle) { return *static_cast<Handle*>(handle); }

bool on_a_device(const void* at) {
  for (int i = 0; i < Memory::devices; ++i) {
    if (Memory::of(i).has(at, 1)) return true;
  }
  return false;
}

float factor(float x, bool tf32) {
  if (!tf32) return x;
  std::uint32_t bits;
  std::memcpy(&bits, &x, sizeof(bits));
  bits = (bits + 0x1000u) & 0xffffe000u;
  std::memcpy(&x, &bits, sizeof(bits));
  return x;
}
double factor(double x, bool) { return x; }

std::atomic<long> ticks{1};

// C (m, n) = alpha · A (m, k) · B (k, n) + beta · C
template <class T>
int gemm(void* handle, int op_a, int op_b, std::int64_t m, std::int64_t n, std::int64_t k,
         const T* alpha, const T* a, std::int64_t lda, const T* b, std::int64_t ldb, const T* beta, T* c,
         std::int64_t ldc) {
  const Handle& own = of(handle);
  if (m < 0 || n < 0 || k < 0 || (op_a | op_b) >> 1 || lda < (op_a ? k : m) || ldb < (op_b ? n : k) ||
      ldc < m || lda < 1 || ldb < 1 || ldc < 1) {
    return invalid;
  }
  if (!on_a_device(a) || !on_a_device(b) || !on_a_device(c)) return failed;
  if (own.stream->recording() && !own.workspace) return failed;
  own.stream->push([=, by = *alpha, keep = *beta, tf32 = own.math == 3] {
    for (std::int64_t j = 0; j < n; ++j) {
      T* column = c + j * ldc;
      for (std::int64_t i = 0; i < m; ++i) column[i] = keep == 0 ? T(0) : keep * column[i];
      for (std::int64_t l = 0; l < k; ++l) {
        const T of_b = by * factor(op_b ? b[l * ldb + j] : b[j * ldb + l], tf32);
        for (std::int64_t i = 0; i < m; ++i) {
          column[i] += factor(op_a ? a[i * lda + l] : a[l * lda + i], tf32) * of_b;
        }
      }
    }
    pass(ticks);
    count_run("(cublas)");
  });
  return success;
}

}  // namespace

void product_takes(long each) { ticks = each; }

}  // namespace fastfa::cuda

using fastfa::cuda::of;

extern "C" {

FASTFA_API int cublasCreate_v2(void** handle) {
  *handle = new fastfa::cuda::Handle;
  return 0;
}
FASTFA_API int cublasDestroy_v2(void* handle) {
  delete &of(handle);
  return 0;
}
FASTFA_API int cublasSetStream_v2(void* handle, void* stream) {
  of(handle).stream = fastfa::emulate::Queue::of(reinterpret_cast<std::uintptr_t>(stream));
  of(handle).workspace = false;
  return 0;
}
FASTFA_API int cublasSetWorkspace_v2(void* handle, void* workspace, std::size_t) {
  if (!fastfa::cuda::on_a_device(workspace)) return fastfa::cuda::invalid;
  of(handle).workspace = true;
  return 0;
}
FASTFA_API int cublasSetMathMode(void* handle, int math) {
  of(handle).math = math;
  return 0;
}
FASTFA_API const char* cublasGetStatusString(int status) {
  return status == fastfa::cuda::invalid ? "an unsupported value or parameter was passed" : "it failed";
}
FASTFA_API int cublasSgemm_v2_64(void* handle, int op_a, int op_b, std::int64_t m, std::int64_t n,
                                 std::int64_t k, const float* alpha, const float* a, std::int64_t lda,
                                 const float* b, std::int64_t ldb, const float* beta, float* c,
                                 std::int64_t ldc) {
  return fastfa::cuda::gemm(handle, op_a, op_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}
FASTFA_API int cublasDgemm_v2_64(void* handle, int op_a, int op_b, std::int64_t m, std::int64_t n,
                                 std::int64_t k, const double* alpha, const double* a, std::int64_t lda,
                                 const double* b, std::int64_t ldb, const double* beta, double* c,
                                 std::int64_t ldc) {
  return fastfa::cuda::gemm(handle, op_a, op_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}

}  // extern "C"

// The backend for double, apart from the other so that both compile at once.
#include "cuda/cuda_backend.cuh"

namespace fastfa::cuda {

Backend<double>* make_f64(int ordinal) { return new CudaBackend<double>(ordinal); }

}  // namespace fastfa::cuda

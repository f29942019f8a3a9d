// The backend for float, apart from the other so that both compile at once.
#include "cuda/cuda_backend.cuh"

namespace fastfa::cuda {

Backend<float>* make_f32(int ordinal) { return new CudaBackend<float>(ordinal); }

}  // namespace fastfa::cuda

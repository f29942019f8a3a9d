// The same sources as a library of the emulated device.
#include "cuda/module.cu"
#include "cuda/blas.cu"
#include "cuda/f32.cu"
#include "cuda/f64.cu"

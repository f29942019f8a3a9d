// Row by row: x·y, x·x and y·y, summed in double precision; a warp for each row.
#pragma once

#include "cuda/portable.cuh"

namespace fastfa::cuda {

template <class T>
__global__ void row_dots(RowDots<T> d) {
  const Index n = Index{blockIdx.x} * blockDim.y + threadIdx.y;
  double xy = 0, xx = 0, yy = 0;
  for (Index c = threadIdx.x; n < d.n && c < d.cols; c += warp) {
    const double x = d.x[n][c], y = d.y[n][c];
    xy += x * y;
    xx += x * x;
    yy += y * y;
  }
  xy = warp_sum(xy);
  xx = warp_sum(xx);
  yy = warp_sum(yy);
  if (threadIdx.x != 0 || n >= d.n) return;
  d.out[3 * n] = xy;
  d.out[3 * n + 1] = xx;
  d.out[3 * n + 2] = yy;
}

}  // namespace fastfa::cuda

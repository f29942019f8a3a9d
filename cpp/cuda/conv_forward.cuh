// a = σ(W x + b) of a convolution, (n, units), overwritten: the product of W (maps, patch) and the
// patches of all positions. Patches are never stored: each value is read from the image when the product
// needs it.
#pragma once

#include "cuda/conv.cuh"
#include "cuda/math.cuh"

namespace fastfa::cuda {

template <class T, class Size>
__global__ void __launch_bounds__(Size::threads) conv_forward(ConvForward<T> f, PatchPlan plan) {
  static_assert(Size::threads % Size::cols == 0);  // so that a thread reads patches of one position only
  const Index first = Index{blockIdx.x} * Size::cols, positions = f.shape.positions();
  const Places places(first, plan.positions);
  const Patch<T> own(plan, f.x, places[threadIdx.x % Size::cols]);
  multiply<T, Size, false, false>(
      f.shape.maps, f.n * positions, f.shape.patch(), [&](Index map, Index k) { return f.w[k][map]; },
      [&](Index k, Index) { return own.value(plan, k); },
      [&](Index map, Index column, T sum) {
        const Place place = places[column - first];
        const T a = f.bias ? sum + f.bias[map] : sum;
        report_beyond(a, f.bad);
        f.a[place.example][map * positions + place.at] = activate(a, f.activation);
      });
}

}  // namespace fastfa::cuda

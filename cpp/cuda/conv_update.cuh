// The optimizer's step on a convolution. First the gradient: δ (maps, positions of all examples) times
// their patches, in parts, each of which sums over some of the positions: there are few weights, and
// many positions. Then the step, with the parts added up in double.
#pragma once

#include "cuda/conv.cuh"
#include "cuda/learn.cuh"

namespace fastfa::cuda {

// How many parts there are: enough to keep a device busy, from the shape alone. More examples never make
// fewer of them.
constexpr Index enough_gradient_tiles = 256;
constexpr Index shortest_part = k_block, longest_part = Index{1} << 30;
inline Index conv_parts(const LocalShape& s, Index n) {
  const Index tiles = ceil_div(s.maps, FlatTile::rows) * ceil_div(s.patch() + 1, FlatTile::cols);
  const Index depth = n * s.positions();
  const Index parts = least(ceil_div(enough_gradient_tiles, tiles), ceil_div(depth, shortest_part));
  const Index needed = ceil_div(depth, longest_part);
  return parts > needed ? parts : needed;
}
// Positions in each part.
inline Index conv_part_length(const LocalShape& s, Index n) {
  return ceil_div(ceil_div(n * s.positions(), conv_parts(s, n)), short_chain) * short_chain;
}

// sums (patch + 1, maps) of each part; the last row is for the bias, whose input is 1.
template <class T>
__global__ void __launch_bounds__(FlatTile::threads)
    conv_gradient(ConvUpdate<T> u, PatchPlan plan, Index length) {
  if (is_halted(u)) return;
  const Index positions = u.shape.positions(), patch = u.shape.patch();
  const Index first = Index{blockIdx.z} * length;
  const Places places(first, plan.positions);
  const View<double> sums = u.sums.from(blockIdx.z * (patch + 1));
  multiply<T, FlatTile, true, true, true>(
      u.shape.maps, patch + (u.bias != nullptr), least(length, u.n * positions - first),
      [&](Index map, Index i) {
        const Place place = places[i];
        return u.delta[place.example][map * positions + place.at];
      },
      [&](Index i, Index k) { return k < patch ? Patch<T>(plan, u.x, places[i]).value(plan, k) : T(1); },
      [&](Index map, Index k, T sum) { sums[k][map] = sum; });
}

// A block has a warp's width of parameters, each of its warps every learn_warps-th part.
constexpr int learn_warps = 8;
template <class T>
__global__ void __launch_bounds__(warp* learn_warps)
    conv_learn(ConvUpdate<T> u, Index parts, const ReplayState* replay) {
  FASTFA_SHARED(double, sums, learn_warps* warp);
  const Index patch = u.shape.patch(), rows = patch + (u.bias != nullptr);
  const int lane = static_cast<int>(threadIdx.x), of_warp = static_cast<int>(threadIdx.y);
  const Index e = Index{blockIdx.x} * warp + lane, row = e / u.shape.maps, map = e % u.shape.maps;
  double sum = 0;
  for (Index part = of_warp; row < rows && part < parts; part += learn_warps) {
    sum += u.sums[part * (patch + 1) + row][map];
  }
  sums[of_warp * warp + lane] = sum;
  __syncthreads();
  if (is_halted(u) || of_warp != 0 || row >= rows) return;
  for (int k = 1; k < learn_warps; ++k) sum += sums[k * warp + lane];
  const Learning<T> learning = learning_now(u, u.s, replay);
  const T gradient = static_cast<T>(sum);
  if (row < patch) {
    apply(learning, u.w.data, u.v, u.s, row * u.w.ld + map, gradient, u.decay);
  } else {
    const Learning<T> own = learning.of_bias();
    apply(own, u.bias, u.v ? u.v_bias : nullptr, u.s ? u.s_bias : nullptr, map, gradient, own.decay);
  }
}

}  // namespace fastfa::cuda

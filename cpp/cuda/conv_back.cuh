// below = Wᵀδ of a convolution, (n, inputs), overwritten. Pixels that are a stride apart are seen
// through the same weights. So for each phase of the stride it is a product of these weights and the δ
// of the units that see such pixels.
#pragma once

#include "cuda/conv.cuh"

namespace fastfa::cuda {

struct BackPlan : Sizes {
  int phases_w;              // in a row of pixels
  unsigned phases;           // in all
  Index pixels;              // of a channel, in the largest phase,
  Divider of_phase, of_row;  // and what leads to them
  Divider maps, many, few;   // a phase has many or few columns of the kernel, one fewer
  explicit BackPlan(const LocalShape& s)
      : Sizes(s),
        phases_w(static_cast<int>(least(s.stride_w, s.width))),
        phases(static_cast<unsigned>(least(s.stride_h, s.height) * phases_w)),
        pixels(ceil_div(s.height, s.stride_h) * ceil_div(s.width, s.stride_w)),
        of_phase(pixels),
        of_row(ceil_div(s.width, s.stride_w)),
        maps(s.maps),
        many(ceil_div(s.kernel_w, s.stride_w)),
        few(many.by() > 1 ? many.by() - 1 : 1) {}
};

// In one direction, pixels phase, phase + stride, phase + 2 stride … are seen through the same taps of
// the kernel: tap, tap + stride, tap + 2 stride …
struct Phase {
  int pixel;  // the first of them
  int tap;    // the first tap
  int taps;   // how many taps
  int unit;   // the unit that sees the first pixel through the first tap
  __device__ Phase(int phase, int pad, int stride, int kernel)
      : pixel(phase),
        tap((phase + pad) % stride),
        taps(tap < kernel ? (kernel - 1 - tap) / stride + 1 : 0),
        unit((phase + pad) / stride) {}
};

template <class T, class Size>
__global__ void __launch_bounds__(Size::threads) conv_back(ConvBack<T> b, BackPlan plan) {
  static_assert(Size::threads % Size::cols == 0);  // so that a thread reads the δ around one pixel only
  const unsigned tiles = gridDim.x / plan.phases;  // of a phase
  const Index first = Index{blockIdx.x % tiles} * Size::cols;
  const int phase = static_cast<int>(blockIdx.x / tiles);
  const Phase down(phase / plan.phases_w, plan.pad_h, plan.stride_h, plan.kernel_h);
  const Phase along(phase % plan.phases_w, plan.pad_w, plan.stride_w, plan.kernel_w);
  const Divider taps_along = along.taps == plan.many.by() ? plan.many : plan.few;
  const Index channels = b.shape.channels, maps = b.shape.maps;

  const Places places(first, plan.of_phase);
  const Place own = places[threadIdx.x % Size::cols];
  const Split pixel = plan.of_row.split(own.at);
  const int unit_y = down.unit + pixel.whole, unit_x = along.unit + pixel.rest;
  const T* const delta = b.delta[own.example];

  const Index before = Index{blockIdx.x} * Size::cols;  // columns of the blocks before this one
  multiply<T, Size, true, false>(
      channels, before + Size::cols, Index{down.taps} * along.taps * maps,
      [&](Index channel, Index k) {
        const Split of_maps = plan.maps.split(static_cast<std::uint32_t>(k));
        const Split tap = taps_along.split(of_maps.whole);
        const int ky = down.tap + tap.whole * plan.stride_h, kx = along.tap + tap.rest * plan.stride_w;
        return b.w[(ky * plan.kernel_w + kx) * channels + channel][of_maps.rest];
      },
      [&](Index k, Index) {
        const Split of_maps = plan.maps.split(static_cast<std::uint32_t>(k));
        const Split tap = taps_along.split(of_maps.whole);
        const int y = unit_y - tap.whole, x = unit_x - tap.rest;
        if (own.example >= b.n || y < 0 || y >= plan.out_h || x < 0 || x >= plan.out_w) return T(0);
        return delta[(of_maps.rest * plan.out_h + y) * plan.out_w + x];
      },
      [&](Index channel, Index column, T sum) {
        const Place place = places[column - before];
        const Split at = plan.of_row.split(place.at);
        const int y = down.pixel + at.whole * plan.stride_h, x = along.pixel + at.rest * plan.stride_w;
        if (place.example >= b.n || y >= plan.height || x >= plan.width) return;
        b.below[place.example][(channel * plan.height + y) * plan.width + x] = sum;
      });
}

}  // namespace fastfa::cuda

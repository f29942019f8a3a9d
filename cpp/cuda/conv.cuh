// What the kernels of convolutions and pooling share: where units, pixels and patches lie. These numbers
// have 32 bits, and are divided by multiplying.
#pragma once

#include "cuda/multiply.cuh"

namespace fastfa::cuda {

struct Split {
  int whole, rest;
};

// Divides numbers below 2^31. With 2^d ≥ by, `times_` is 2^(31 + d) / by, rounded up: x · times_ is less
// than 2^(31 + d) / by too large then, and so the quotient is exact.
class Divider {
 public:
  explicit Divider(Index by) : by_(static_cast<std::uint32_t>(by)) {
    int digits = 0;
    while (Index{1} << digits < by) ++digits;
    shift_ = 31 + digits;
    times_ = static_cast<std::uint32_t>(ceil_div(Index{1} << shift_, by));
  }
  __device__ Split split(std::uint32_t x) const {
    const auto whole = static_cast<std::uint32_t>(std::uint64_t{x} * times_ >> shift_);
    return {static_cast<int>(whole), static_cast<int>(x - whole * by_)};
  }
  __device__ constexpr Index by() const { return by_; }

 private:
  std::uint32_t by_, times_;
  int shift_;
};

// Elements of all examples, counted through: which example the i-th from `first` on belongs to, and
// where it is in that.
struct Place {
  Index example;
  int at;
};
class Places {
 public:
  __device__ Places(Index first, const Divider& of_example)
      : of_example_(of_example), example_(first / of_example.by()), at_(first % of_example.by()) {}
  __device__ Place operator[](Index i) const {
    const Split found = of_example_.split(static_cast<std::uint32_t>(at_ + i));
    return {example_ + found.whole, found.rest};
  }

 private:
  const Divider& of_example_;
  Index example_, at_;
};

// Sizes of a layer of patches, in 32 bits, in which a device counts faster.
struct Sizes {
  int height, width, out_h, out_w, kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w;
  explicit Sizes(const LocalShape& s)
      : height(static_cast<int>(s.height)),
        width(static_cast<int>(s.width)),
        out_h(static_cast<int>(s.out_h)),
        out_w(static_cast<int>(s.out_w)),
        kernel_h(static_cast<int>(s.kernel_h)),
        kernel_w(static_cast<int>(s.kernel_w)),
        stride_h(static_cast<int>(s.stride_h)),
        stride_w(static_cast<int>(s.stride_w)),
        pad_h(static_cast<int>(s.pad_h)),
        pad_w(static_cast<int>(s.pad_w)) {}
};

// What leads from a position to its patch.
struct PatchPlan : Sizes {
  Divider positions, of_row, channels, of_kernel_row;
  explicit PatchPlan(const LocalShape& s)
      : Sizes(s),
        positions(s.positions()),
        of_row(s.out_w),
        channels(s.channels),
        of_kernel_row(s.kernel_w) {}
};

// What a position sees.
template <class T>
class Patch {
 public:
  __device__ Patch(const PatchPlan& plan, View<const T> images, Place position) {
    const Split at = plan.of_row.split(position.at);
    image_ = images[position.example];
    y_ = at.whole * plan.stride_h - plan.pad_h;
    x_ = at.rest * plan.stride_w - plan.pad_w;
  }
  // Value k = (ky, kx, channel), zero outside the image.
  __device__ T value(const PatchPlan& plan, Index k) const {
    const Split tap = plan.channels.split(static_cast<std::uint32_t>(k));
    const Split of_kernel = plan.of_kernel_row.split(tap.whole);
    const int y = y_ + of_kernel.whole, x = x_ + of_kernel.rest;
    if (y < 0 || y >= plan.height || x < 0 || x >= plan.width) return T(0);
    return image_[(tap.rest * plan.height + y) * plan.width + x];
  }

 private:
  const T* image_;
  int y_, x_;  // of its first pixel
};

// Convolutions have few maps and many positions: so do their tiles.
using FlatTile = Tile<32, 128, 8, 4, 4>;

}  // namespace fastfa::cuda

// The operations of layers that see patches: local ones, convolutions and pooling.
#pragma once

#include "core/machine/backend.h"
#include "cuda/conv_back.cuh"
#include "cuda/conv_forward.cuh"
#include "cuda/conv_update.cuh"
#include "cuda/launch.cuh"
#include "cuda/local_back.cuh"
#include "cuda/local_forward.cuh"
#include "cuda/local_update.cuh"
#include "cuda/pool.cuh"

namespace fastfa::cuda {

template <class T>
class PatchBackend : public Backend<T> {
 public:
  explicit PatchBackend(int ordinal) : device_(std::make_shared<Device>(ordinal)) {}

  void local_forward(const LocalForward<T>& f) override {
    device_->require("local_forward", f.x, f.x_across, f.w, f.bias, f.a, f.bad);
    this->transpose({f.n, f.x, f.shape.inputs(), f.x_across});
    const Index positions = least(f.shape.positions(), most_y);
    device_->launch("local_forward", grid_of(ceil_div(f.n, warp), positions),
                    block_of(warp, local_warps), cuda::local_forward<T>, f);
  }
  void local_back(const LocalBack<T>& b) override {
    device_->require("local_back", b.delta, b.w, b.below);
    const Index rows = least(ceil_div(b.shape.inputs(), rows_of_warps), most_y);
    device_->launch("local_back", grid_of(ceil_div(b.n, warp), rows), block_of(warp, rows_of_warps),
                    cuda::local_back<T>, b);
  }
  void local_update(const LocalUpdate<T>& u) override {
    device_->require("local_update", u.x, u.x_across, u.delta, u.across, u.w, u.v, u.s, u.bias, u.v_bias,
                     u.s_bias, u.halted);
    this->transpose({u.n, u.x, u.shape.inputs(), u.x_across});
    this->transpose({u.n, u.delta, u.shape.units(), u.across});
    const Index parts = ceil_div(u.shape.patch() * u.shape.maps, local_weights);
    device_->launch("local_update", grid_of(least(u.shape.positions() * parts, Index{65535})),
                    block_of(local_weights), cuda::local_update<T>, u, recorded());
    if (!u.bias) return;
    device_->launch("local_update_bias", grid_for(u.shape.units()), block_of(plain_threads),
                    cuda::local_update_bias<T>, u, recorded());
  }

  // Patches are read where they lie, so only the gradient's parts need room.
  typename Backend<T>::ConvRoom conv_room(const LocalShape& s, Index batch) const override {
    return {0, 0, conv_parts(s, batch)};
  }
  void conv_forward(const ConvForward<T>& f) override {
    device_->require("conv_forward", f.x, f.w, f.bias, f.a, f.bad);
    const Index maps = f.shape.maps, positions = f.n * f.shape.positions();
    with_conv_tile(maps, positions, [&](auto size) {
      using Size = decltype(size);
      device_->launch("conv_forward",
                      grid_of(ceil_div(positions, Size::cols), ceil_div(maps, Size::rows)),
                      block_of(Size::threads), cuda::conv_forward<T, Size>, f, PatchPlan(f.shape));
    });
  }
  void conv_back(const ConvBack<T>& b) override {
    device_->require("conv_back", b.delta, b.w, b.below);
    const BackPlan plan(b.shape);
    const Index channels = b.shape.channels, pixels = b.n * plan.pixels;
    with_conv_tile(channels, pixels * plan.phases, [&](auto size) {
      using Size = decltype(size);
      const dim3 grid =
          grid_of(plan.phases * ceil_div(pixels, Size::cols), ceil_div(channels, Size::rows));
      device_->launch("conv_back", grid, block_of(Size::threads), cuda::conv_back<T, Size>, b, plan);
    });
  }
  void conv_update(const ConvUpdate<T>& u) override {
    device_->require("conv_update", u.x, u.delta, u.w, u.v, u.s, u.bias, u.v_bias, u.s_bias, u.halted,
                     u.sums);
    const Index maps = u.shape.maps, rows = u.shape.patch() + (u.bias != nullptr);
    const Index length = conv_part_length(u.shape, u.n);
    const Index parts = ceil_div(u.n * u.shape.positions(), length);
    device_->launch("conv_gradient",
                    grid_of(ceil_div(rows, FlatTile::cols), ceil_div(maps, FlatTile::rows), parts),
                    block_of(FlatTile::threads), cuda::conv_gradient<T>, u, PatchPlan(u.shape), length);
    device_->launch("conv_learn", grid_of(ceil_div(rows * maps, warp)), block_of(warp, learn_warps),
                    cuda::conv_learn<T>, u, parts, recorded());
  }

  void pool_forward(const PoolForward<T>& f) override {
    device_->require("pool_forward", f.x, f.a, f.chosen);
    device_->launch("pool_forward", plain_grid(f.shape.units(), f.n), block_of(plain_threads),
                    cuda::pool_forward<T>, f, PatchPlan(f.shape));
  }
  void pool_back(const PoolBack<T>& b) override {
    device_->require("pool_back", b.source, b.chosen, b.below);
    const LocalShape& s = b.shape;
    device_->launch("pool_back", plain_grid(s.inputs(), b.n), block_of(plain_threads),
                    cuda::pool_back<T>, b, PatchPlan(s), Divider(s.height * s.width), Divider(s.width));
  }

 protected:
  static constexpr int rows_of_warps = 8;
  static constexpr Index most_y = 65535;
  const ReplayState* recorded() const { return replay_; }  // null: the step isn't

  std::shared_ptr<Device> device_;
  ReplayState* replay_ = nullptr;  // while a step is recorded

 private:
  // Large tiles where there are many maps, and enough tiles to keep a device busy.
  template <class Go>
  static void with_conv_tile(Index rows, Index cols, Go&& go) {
    if constexpr (sizeof(T) == 4) {
      using Large = typename LargeTileOf<T>::type;
      const Index tiles = ceil_div(rows, Large::rows) * ceil_div(cols, Large::cols);
      if (rows > 2 * FlatTile::rows && tiles >= enough_tiles) return go(Large{});
    }
    go(FlatTile{});
  }
  // For loops over elements of each example.
  static dim3 plain_grid(Index elements, Index examples) {
    return grid_of(grid_for(elements).x, least(examples, most_y));
  }
};

}  // namespace fastfa::cuda

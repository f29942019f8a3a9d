// How many threads an operation gets: from its shape alone.
#pragma once

#include "cuda/multiply.cuh"
#if defined(__CUDACC__)
#include "cuda/runtime/device.h"
#else
#include "cuda/emulate/device.h"
#endif

namespace fastfa::cuda {

// Memory that is kept for the next time.
struct Scratch {
  std::shared_ptr<void> memory;
  std::size_t bytes = 0;
};

inline dim3 grid_of(Index x, Index y = 1, Index z = 1) {
  return {static_cast<unsigned>(x), static_cast<unsigned>(y), static_cast<unsigned>(z)};
}
inline dim3 block_of(int x, int y = 1) {
  return {static_cast<unsigned>(x), static_cast<unsigned>(y), 1};
}

constexpr int plain_threads = 256;
// For loops over elements.
inline dim3 grid_for(Index elements) {
  const Index blocks = ceil_div(elements, plain_threads);
  return grid_of(blocks < 1 ? 1 : blocks < 2048 ? blocks : 2048);
}

// Large tiles do the most work for what they read, and are taken where there are enough of them to keep
// a device busy.
constexpr Index enough_tiles = 64;
constexpr Index enough_for_tensors = 32;  // rows and columns: half a tile
template <class T, class Go>
void with_tile(Index rows, Index cols, bool tf32, Go&& go) {
  using Large = typename LargeTileOf<T>::type;
  const auto grid = [&](auto size) {
    using Size = decltype(size);
    return grid_of(ceil_div(cols, Size::cols), ceil_div(rows, Size::rows));
  };
  if constexpr (sizeof(T) == 4) {
    if (tf32 && rows >= enough_for_tensors && cols >= enough_for_tensors) {
      return go(TensorTile{}, grid(TensorTile{}), block_of(TensorTile::threads));
    }
  }
  if (ceil_div(rows, Large::rows) * ceil_div(cols, Large::cols) >= enough_tiles) {
    go(Large{}, grid(Large{}), block_of(Large::threads));
  } else {
    go(SmallTile{}, grid(SmallTile{}), block_of(SmallTile::threads));
  }
}

}  // namespace fastfa::cuda

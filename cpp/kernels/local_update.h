// The optimizer's step on a locally connected layer: at each position, the patch times δ, summed over
// the examples, in x_across (inputs, n) and δ (n, units). Accumulates into w, bias and the optimizer's
// memory of them.
#pragma once

#include "kernels/local_rows_update.h"
#include "kernels/sums.h"

namespace fastfa {
namespace {

constexpr int local_pixels = 4;  // pixels of a patch whose sums are kept in registers

template <class T>
int local_update_tiles(const LocalUpdate<T>& u) {
  return static_cast<int>(position_tiles<T>(u.shape, u.n));
}

// acc[k · M + m] += x[pixel + k] δ[m] for K neighbouring pixels and M maps, vectors v0 … v1 of examples.
template <class T, int K, int M>
inline void local_products(const LocalUpdate<T>& u, const T* x, const T* delta, Index v0, Index v1,
                           Vec<T>* acc) {
  const Index next_map = u.shape.positions() * u.across.ld;
  for (Index v = v0; v < v1; ++v) {
    Vec<T> row[K];
    for (int k = 0; k < K; ++k) row[k] = load(x + k * u.x_across.ld + v * lanes<T>);
#pragma GCC unroll 8
    for (int m = 0; m < M; ++m) {
      const Vec<T> d = load(delta + m * next_map + v * lanes<T>);
#pragma GCC unroll 4
      for (int k = 0; k < K; ++k) acc[k * M + m] += row[k] * d;
    }
  }
}

// sums[k · M + m] = Σ_n x[pixel + k] δ[m] over the lanes of v0 … v1
template <class T, int K, int M>
inline void local_sums(const LocalUpdate<T>& u, const T* x, const T* delta, Index v0, Index v1,
                       T* sums) {
  constexpr int rounds = (K * M + lanes<T> - 1) / lanes<T>;
  Vec<T> acc[rounds * lanes<T>] = {};
  local_products<T, K, M>(u, x, delta, v0, v1, acc);
#pragma GCC unroll 8
  for (int r = 0; r < rounds; ++r) store(sums + r * lanes<T>, sums_of<T>(acc + r * lanes<T>));
}

// g[k · maps + m] = Σ_n x[pixel + k] δ[m]
template <class T, int K, int M>
inline void local_gradient_block(const LocalUpdate<T>& u, const T* x, const T* delta, T* g) {
  constexpr int used = K * M, room = (used + lanes<T> - 1) / lanes<T> * lanes<T>;
  const Index vecs = (u.n + lanes<T> - 1) / lanes<T>;
  alignas(64) T sums[room];
  if (u.n <= k_block) {
    local_sums<T, K, M>(u, x, delta, 0, vecs, sums);
  } else {
    double whole[used] = {};
    for (Index v = 0; v < vecs; v += short_chain) {
      local_sums<T, K, M>(u, x, delta, v, min(v + short_chain, vecs), sums);
      for (int i = 0; i < used; ++i) whole[i] += sums[i];
    }
    for (int i = 0; i < used; ++i) sums[i] = static_cast<T>(whole[i]);
  }
  for (int k = 0; k < K; ++k) {
    for (int m = 0; m < M; ++m) g[k * u.shape.maps + m] = sums[k * M + m];
  }
}

// Gradients of a run of pixels for all maps.
template <class T>
inline void local_gradient_run(const LocalUpdate<T>& u, Index position, Index pixel, Index count, T* g) {
  for (Index i = 0; i < count; i += local_pixels) {
    const auto pixels = [&](auto wide) {
      for_maps(u.shape.maps, [&](Index map, auto maps) {
        local_gradient_block<T, decltype(wide)::value, decltype(maps)::value>(
            u, u.x_across[pixel + i], u.across[map * u.shape.positions() + position],
            g + i * u.shape.maps + map);
      });
    };
    with_rows<decltype(pixels)&, local_pixels>(static_cast<int>(min(local_pixels, count - i)), pixels);
  }
}

template <class T>
inline void local_update_position(const LocalUpdate<T>& u, Index p, T* g) {
  const Index block = u.shape.block();
  for (Index channel = 0; channel < u.shape.channels; ++channel) {
    // Collected for a whole block, which begins on a vector's boundary.
    for (Index i = 0; i < block; i += lanes<T>) store(g + i, Vec<T>{});
    for_patch_rows(u.shape, p, channel, [&](Index weight, Index pixel, Index count) {
      local_gradient_run(u, p, pixel, count, g + weight - channel * block);
    });
    for (Index i = 0; i < block; i += lanes<T>) {
      const Index at = p * u.w.ld + channel * block + i;
      const Slot<T> slot{u.w.data + at, u.v ? u.v + at : nullptr, u.s ? u.s + at : nullptr};
      apply(u, slot, load(g + i), u.decay);
    }
  }
}

// Σ_n δ of the units at a position, for the bias.
template <class T>
inline void local_bias_gradient(const LocalUpdate<T>& u, Index p) {
  for (Index first = 0; first < u.shape.maps; first += lanes<T>) {
    const Index maps = min(lanes<T>, u.shape.maps - first);
    Vec<T> sum[lanes<T>] = {};
    for (Index m = 0; m < maps; ++m) {
      const T* delta = u.across[(first + m) * u.shape.positions() + p];
      const Index vecs = (u.n + lanes<T> - 1) / lanes<T>;
      sum[m] = sum_of<T>(vecs, [&](Index v) { return load(delta + v * lanes<T>); });
    }
    const Vec<T> sums = sums_of<T>(sum);
    for (Index m = 0; m < maps; ++m) u.bias_gradient[(first + m) * u.shape.positions() + p] = sums[m];
  }
}

template <class T>
void local_update_run(const LocalUpdate<T>& u, int tile, int tile_end) {
  if (local_by_rows<T>(u.shape)) return local_rows_update(u, tile, tile_end);
  T* g = u.scratch + tile * u.shape.template scratch<T>();
  for_position_blocks<T>(u.shape, u.n, tile, tile_end, [&](Index p, Index count) {
    units_across(u.shape, p, count, u.delta, u.n, u.across);
    for (Index i = 0; i < count; ++i) {
      local_update_position(u, p + i, g);
      if (u.bias) local_bias_gradient(u, p + i);
    }
  });
}

template <class T>
void local_update_finish(const LocalUpdate<T>& u) {
  if (!u.bias) return;
  const Learning<T> own = u.of_bias();
  for (Index c = 0; c < u.shape.units(); c += lanes<T>) {
    const Slot<T> slot{u.bias + c, u.v ? u.v_bias + c : nullptr, u.s ? u.s_bias + c : nullptr};
    apply(own, slot, load(u.bias_gradient + c), own.decay);
  }
}

}  // namespace
}  // namespace fastfa

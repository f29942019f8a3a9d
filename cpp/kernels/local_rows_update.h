// The optimizer's step on a locally connected layer, by rows: x (n, inputs), δ (n, units). Sums over the
// examples stay in the lanes of their positions; the batch is taken in chunks that the first cache
// holds.
#pragma once

#include "kernels/learn.h"
#include "kernels/local_rows.h"
#include "kernels/sums.h"

namespace fastfa {
namespace {

constexpr Index local_chunk = 34;  // examples; 100 are three times 33 or 34
constexpr Index chunks_in_T = 8;   // of a large batch

// sums[k, m] += Σ_n x[n, tap k] δ[n, m] for K taps and M maps; δ (n, M) a vector each. apart: what is
// added has been summed on its own.
template <class T, int K, int M>
inline void local_rows_gradient(View<const T> x, Index n, const Reader<T>& read,
                                const std::int32_t* pixels, const std::int32_t* weights, const T* delta,
                                T* sums, bool apart) {
  Vec<T> acc[K][M];
  const T* from[K];
  for (int k = 0; k < K; ++k) {
    from[k] = x.data + pixels[k];
    for (int m = 0; m < M; ++m) {
      acc[k][m] = apart ? Vec<T>{} : load(sums + (weights[k] + m) * lanes<T>);
    }
  }
  for (Index i = 0; i < n; ++i, delta += M * lanes<T>) {
    Vec<T> pixel[K];
    for (int k = 0; k < K; ++k) {
      pixel[k] = read(from[k]);
      from[k] += x.ld;
    }
#pragma GCC unroll 8
    for (int m = 0; m < M; ++m) {
      const Vec<T> d = load(delta + m * lanes<T>);
#pragma GCC unroll 4
      for (int k = 0; k < K; ++k) acc[k][m] += pixel[k] * d;
    }
  }
  for (int k = 0; k < K; ++k) {
    for (int m = 0; m < M; ++m) {
      T* sum = sums + (weights[k] + m) * lanes<T>;
      store(sum, apart ? load(sum) + acc[k][m] : acc[k][m]);
    }
  }
}

// The chunk's part of the sums of M maps from `map` on, and of their biases' gradient.
template <class T, int M>
inline void local_rows_chunk(const LocalUpdate<T>& u, const Span& span, const Reader<T>& read,
                             const Taps& taps, Index map, Index begin, Index end, T* sums,
                             double* of_bias) {
  alignas(64) T delta[local_chunk * M * lanes<T>];
  Vec<T> bias[M] = {};
  for (Index i = begin; i < end; ++i) {
    for (int m = 0; m < M; ++m) {
      const Vec<T> d = load_unaligned(u.delta[i] + (map + m) * u.shape.positions() + span.p);
      store(delta + ((i - begin) * M + m) * lanes<T>, d);
      bias[m] += d;
    }
  }
  for (int m = 0; of_bias && m < M; ++m) {
    double* whole = of_bias + (map + m) * lanes<T>;
    add_to<T>(whole, bias[m], begin == 0);
    bias[m] = rounded_at<T>(whole);
  }
  for (int m = 0; u.bias && m < M; ++m) {
    T* g = u.bias_gradient + (map + m) * u.shape.positions() + span.p;
    for (Index i = span.done; i < lanes<T>; ++i) {
      g[i] = begin == 0 || of_bias ? bias[m][i] : g[i] + bias[m][i];
    }
  }
  for_each_few<local_vecs>(taps.count, [&](Index k, auto few) {
    local_rows_gradient<T, decltype(few)::value, M>(u.x.from(begin, span.pixel), end - begin, read,
                                                    taps.pixel + k, taps.weight + k, delta,
                                                    sums + map * lanes<T>, of_bias != nullptr);
  });
}

// whole (=|+=) sums, which begin again at zero
template <class T>
inline void add_up(T* sums, Index count, double* whole, bool first) {
  for (Index i = 0; i < count; i += lanes<T>) {
    add_to<T>(whole + i, load(sums + i), first);
    store(sums + i, Vec<T>{});
  }
}

template <class T>
void local_rows_update(const LocalUpdate<T>& u, int tile, int tile_end) {
  const LocalShape& s = u.shape;
  const Taps taps(s);
  const Index cols = s.channels * s.block(), chunks = (u.n + local_chunk - 1) / local_chunk;
  T* sums = u.scratch + tile * s.template scratch<T>();
  double* whole = u.n > k_block ? u.whole + tile * s.template whole<T>() : nullptr;
  double* of_bias = whole ? whole + cols * lanes<T> : nullptr;
  for_position_blocks<T>(s, u.n, tile, tile_end, [&](Index p, Index count) {
    const Span span = span_of<T>(s, p, count);
    const Reader<T> read(span);
    for (Index c = 0; c < cols; ++c) store(sums + c * lanes<T>, Vec<T>{});
    for (Index c = 0; c < chunks; ++c) {
      for_maps(s.maps, [&](Index map, auto maps) {
        local_rows_chunk<T, decltype(maps)::value>(u, span, read, taps, map, c * u.n / chunks,
                                                   (c + 1) * u.n / chunks, sums, of_bias);
      });
      if (whole && (c % chunks_in_T == chunks_in_T - 1 || c + 1 == chunks)) {
        add_up(sums, cols * lanes<T>, whole, c < chunks_in_T);
      }
    }
    for (Index i = 0; whole && i < cols * lanes<T>; i += lanes<T>) {
      store(sums + i, rounded_at<T>(whole + i));
    }
    weights_back(sums, cols, [&](Index i, Index c, Vec<T> gradient) {
      if (i < span.done) return;
      const Index at = (span.p + i) * u.w.ld + c;
      const Slot<T> slot{u.w.data + at, u.v ? u.v + at : nullptr, u.s ? u.s + at : nullptr};
      apply(u, slot, gradient, u.decay);
    });
  });
}

}  // namespace
}  // namespace fastfa

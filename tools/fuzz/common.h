// What the fuzz targets of the C API share.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>

#include "fastfa/fastfa.h"

namespace fuzz {

// Messages never hold bytes of the file's that a terminal could take for orders.
inline void check_plain(const char* message) {
  if (!*message) std::abort();
  for (; *message; ++message) {
    if (*message < 0x20 || *message > 0x7e) std::abort();
  }
}

// An input that takes longer than so many seconds of the processor is a finding.
class Within {
 public:
  explicit Within(double seconds) : limit_(seconds), began_(std::clock()) {}
  ~Within() {
    const double took = static_cast<double>(std::clock() - began_) / CLOCKS_PER_SEC;
    if (took > limit_) {
      std::fprintf(stderr, "an input took %.1f s\n", took);
      std::abort();
    }
  }
  Within(const Within&) = delete;

 private:
  double limit_;
  std::clock_t began_;
};

// Calls f(tensor) with each parameter that is there, W, b and stored B.
template <class F>
void each_tensor(fastfa_network* net, F&& f) {
  const std::int64_t layers = fastfa_layers(net);
  for (std::int64_t l = 0; l < layers; ++l) {
    fastfa_tensor t;
    if (fastfa_weights(net, l, &t) != FASTFA_OK) std::abort();
    f(t);
    if (fastfa_biases(net, l, &t) != FASTFA_OK) std::abort();
    if (t.data) f(t);
    if (l + 1 < layers && fastfa_feedback_stored(net, l, &t) == FASTFA_OK && t.data) f(t);
  }
}

// Calls f(address) with each element.
template <class F>
void each_element(const fastfa_tensor& t, F&& f, int axis = 0, std::int64_t at = 0) {
  if (axis == t.ndim) {
    f(static_cast<const char*>(t.data) + at * (t.dtype == FASTFA_FLOAT32 ? 4 : 8));
    return;
  }
  for (std::int64_t i = 0; i < t.shape[axis]; ++i) each_element(t, f, axis + 1, at + i * t.stride[axis]);
}

inline double value(const fastfa_tensor& t, const void* at) {
  if (t.dtype == FASTFA_FLOAT32) {
    float v;
    std::memcpy(&v, at, sizeof v);
    return v;
  }
  double v;
  std::memcpy(&v, at, sizeof v);
  return v;
}

// All parameters' bytes.
inline std::string state(fastfa_network* net) {
  std::string bytes;
  each_tensor(net, [&](const fastfa_tensor& t) {
    each_element(t, [&](const void* at) {
      bytes.append(static_cast<const char*>(at), t.dtype == FASTFA_FLOAT32 ? 4 : 8);
    });
  });
  return bytes;
}

inline void check_finite(fastfa_network* net) {
  each_tensor(net, [&](const fastfa_tensor& t) {
    each_element(t, [&](const void* at) {
      if (!std::isfinite(value(t, at))) std::abort();
    });
  });
}

// A network of few weights: dense, or with a locally connected layer below.
inline fastfa_network* small(std::int32_t dtype, bool local) {
  fastfa_layer layers[2] = {FASTFA_LAYER_INIT, FASTFA_LAYER_INIT};
  layers[0].units = 2;
  layers[1].units = 1;
  fastfa_config config = FASTFA_CONFIG_INIT;
  config.inputs = 3;
  if (local) {
    layers[0].channels = layers[0].height = 1;
    layers[0].width = 3;
    layers[0].maps = layers[0].kernel_h = 1;
    layers[0].kernel_w = 2;
  }
  config.layers = layers;
  config.n_layers = 2;
  config.dtype = dtype;
  fastfa_network* net = nullptr;
  if (fastfa_network_create(&config, &net) != FASTFA_OK) std::abort();
  return net;
}

}  // namespace fuzz

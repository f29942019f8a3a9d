// The C interface: networks, their weights and files.
#include <algorithm>
#include <type_traits>

#include "capi/convert.h"
#include "capi/handle.h"

namespace fastfa {
namespace {

template <class T>
fastfa_tensor tensor_of(const WeightView<T>& w) {
  fastfa_tensor t{w.data, dtype_of<T>, w.data ? static_cast<std::int32_t>(w.shape.size()) : 0, {}, {}};
  if (!w.data) return t;
  std::copy(w.shape.begin(), w.shape.end(), t.shape);
  std::copy(w.stride.begin(), w.stride.end(), t.stride);
  return t;
}

// A question that can't fail, but for a null network.
template <class F>
std::int64_t ask(const fastfa_network* net, F&& f) {
  if (!net) return 0;
  return net->f32 ? f(*net->f32) : f(*net->f64);
}

}  // namespace
}  // namespace fastfa

using namespace fastfa;

namespace {

template <class T>
std::unique_ptr<Network<T>> network_of(const NetworkSpec& spec, const std::string& precision) {
  auto net = std::make_unique<Network<T>>(spec);
  if (precision == "bf16") {
    net->use_bf16(true);
  } else if (precision == "tf32") {
    net->use_tf32(true);
  } else if (precision != "float32") {
    refuse("[fastfa_config] matmul_precision was '" + precision +
           "'; it must be one of float32, bf16, tf32");
  }
  return net;
}

}  // namespace

extern "C" {

fastfa_status fastfa_network_create(const fastfa_config* config, fastfa_network** net) {
  return guarded([&] {
    if (!net)
      refuse("[fastfa_network_create] net was null; it must be where the network's address goes");
    *net = nullptr;
    const NetworkSpec spec = network_spec(config);
    auto made = std::make_unique<fastfa_network>();
    if (config->dtype == FASTFA_FLOAT32) {
      made->f32 = network_of<float>(spec, matmul_precision(config));
    } else if (config->dtype == FASTFA_FLOAT64) {
      made->f64 = network_of<double>(spec, matmul_precision(config));
    } else {
      refuse("[fastfa_config] dtype was " + std::to_string(config->dtype) +
             "; it must be FASTFA_FLOAT32 or FASTFA_FLOAT64");
    }
    *net = made.release();
  });
}

void fastfa_network_destroy(fastfa_network* net) { delete net; }

int64_t fastfa_layers(const fastfa_network* net) {
  return ask(net, [](const auto& n) { return std::int64_t{n.layers()}; });
}
int64_t fastfa_inputs(const fastfa_network* net) {
  return ask(net, [](const auto& n) { return n.inputs(); });
}
int64_t fastfa_units(const fastfa_network* net, int64_t layer) {
  return ask(net, [&](const auto& n) {
    return layer >= 0 && layer < n.layers() ? n.units(static_cast<int>(layer)) : std::int64_t{0};
  });
}
int64_t fastfa_steps(const fastfa_network* net) {
  return ask(net, [](const auto& n) { return n.steps(); });
}

fastfa_status fastfa_weights(fastfa_network* net, int64_t layer, fastfa_tensor* tensor) {
  return with(net, [&](auto& n) {
    check_not_null("tensor", tensor);
    *tensor = tensor_of(n.weights(checked_index("layer", layer, n.layers())));
  });
}

fastfa_status fastfa_biases(fastfa_network* net, int64_t layer, fastfa_tensor* tensor) {
  return with(net, [&](auto& n) {
    check_not_null("tensor", tensor);
    const auto b = n.biases(checked_index("layer", layer, n.layers()));
    *tensor = tensor_of(
        WeightView<typename std::remove_reference_t<decltype(n)>::Number>{b.data, {b.cols}, {1}});
  });
}

fastfa_status fastfa_feedback_stored(fastfa_network* net, int64_t hidden, fastfa_tensor* tensor) {
  return with(net, [&](auto& n) {
    check_not_null("tensor", tensor);
    const auto b = n.feedback(checked_index("hidden", hidden, n.layers() - 1)).view;
    using T = typename std::remove_reference_t<decltype(n)>::Number;
    *tensor = tensor_of(WeightView<T>{b.data, {b.rows, b.cols}, {b.row_stride, b.col_stride}});
  });
}

fastfa_status fastfa_feedback_array(fastfa_network* net, int64_t hidden, fastfa_matrix out) {
  return with(net, [&](auto& n) {
    const auto b = n.feedback_array(checked_index("hidden", hidden, n.layers() - 1));
    using T = typename std::remove_reference_t<decltype(n)>::Number;
    const MatrixView<T> to = write<T>("out", out, b.view.rows, b.view.cols);
    for (std::int64_t r = 0; r < to.rows; ++r) {
      for (std::int64_t c = 0; c < to.cols; ++c) to(r, c) = b.view(r, c);
    }
  });
}

fastfa_status fastfa_reset_memory(fastfa_network* net) {
  return with(net, [](auto& n) { n.reset_memory(); });
}

fastfa_status fastfa_set_feedback(fastfa_network* net, const fastfa_feedback* feedback, int64_t n_given,
                                  double perturbation) {
  return with(net, [&](auto& n) {
    n.set_feedback(feedback_specs(feedback, n_given, n.layers() - 1), perturbation);
  });
}

fastfa_status fastfa_save(fastfa_network* net, const char* path) {
  return with(net, [&](auto& n) {
    check_not_null("path", path);
    n.save(path);
  });
}

fastfa_status fastfa_load(fastfa_network* net, const char* path) {
  return with(net, [&](auto& n) {
    check_not_null("path", path);
    n.load(path);
  });
}
}

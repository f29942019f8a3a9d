// libFuzzer: the C API. The bytes describe a network, with values from everyday to absurd, and calls on
// it. Every call must succeed or name an error; one that fails outside of training leaves the weights as
// they were; no weight is ever not finite; memory is as large as it is said to be (ASan, in the kernels
// too). The caller's own duties (pointers to what is described) are kept.
#include <unistd.h>

#include <new>
#include <vector>

#include "common.h"
#include "draw.h"

// While an input runs, a request above this fails as it would on a full machine. The core's matrices
// come from aligned_alloc (allocator.cpp), which the linker leads here.
constexpr std::size_t memory_limit = std::size_t{8} << 20;
static bool limited = false;

extern "C" void* __real_aligned_alloc(std::size_t align, std::size_t bytes);
extern "C" void* __wrap_aligned_alloc(std::size_t align, std::size_t bytes) {
  return limited && bytes > memory_limit ? nullptr : __real_aligned_alloc(align, bytes);
}
void* operator new(std::size_t bytes) {
  void* memory = limited && bytes > memory_limit ? nullptr : std::malloc(bytes ? bytes : 1);
  if (!memory) throw std::bad_alloc();
  return memory;
}
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
  return std::malloc(bytes ? bytes : 1);
}
void* operator new[](std::size_t bytes) { return operator new(bytes); }
void* operator new[](std::size_t bytes, const std::nothrow_t& none) noexcept {
  return operator new(bytes, none);
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }

namespace {

void checked(fastfa_status status) {
  if (status == FASTFA_OK) return;
  if (status < 0 || status > FASTFA_DEVICE || status == FASTFA_FAILED) std::abort();
  if (!*fastfa_last_error()) std::abort();
}

// One call, which may fail only by name.
fastfa_status call(Bytes& in, fastfa_network* net, std::int32_t dtype, bool& training,
                   std::vector<std::vector<double>>& kept, const std::string& path) {
  const std::int64_t layers = fastfa_layers(net), n_in = fastfa_inputs(net);
  const std::int64_t n_out = fastfa_units(net, layers - 1);
  const std::int64_t rows = in.ConsumeIntegralInRange<std::int64_t>(1, 19);
  Matrix x(in, dtype, rows, n_in), y(in, dtype, x.view.rows, n_out);
  const int which = in.ConsumeIntegralInRange<int>(0, 21);
  const std::int64_t l =
      rarely(in) ? any_size(in) : in.ConsumeIntegralInRange<std::int64_t>(0, layers - 1);
  const auto* rule = reinterpret_cast<const fastfa_optimizer*>(0);
  std::vector<char> own;
  if (which <= 6) {
    own = optimizer(in);
    if (!rarely(in)) rule = reinterpret_cast<const fastfa_optimizer*>(own.data());
  }
  fastfa_tensor tensor;
  training = which <= 6;
  switch (which) {
    case 0:
    case 1:
    case 2: {
      std::vector<std::int64_t> order;
      const bool ordered = in.ConsumeBool();
      const std::int64_t n = in.ConsumeIntegralInRange<std::int64_t>(0, 40);
      const std::int64_t most = x.view.rows > 0 ? x.view.rows - 1 : 0;
      for (std::int64_t i = 0; ordered && i < n; ++i) {
        order.push_back(rarely(in) ? any_size(in) : in.ConsumeIntegralInRange<std::int64_t>(0, most));
      }
      int left = in.ConsumeIntegralInRange<int>(0, 3);
      fastfa_result result;
      return fastfa_train_epoch(net, x.view, y.view, rule, rarely(in) ? any_size(in) : size(in),
                                ordered ? order.data() : nullptr,
                                ordered && n == 0 && rarely(in) ? -1 : n, left ? poll : nullptr, &left,
                                in.ConsumeBool() ? &result : nullptr);
    }
    case 3: {
      double loss;
      return fastfa_step(net, x.view, y.view, rule, in.ConsumeBool() ? &loss : nullptr);
    }
    case 4:
      return fastfa_update_step(net, rule);
    case 5:
    case 6:
      return fastfa_apply_error(net, y.view, rule, in.ConsumeBool() ? &y.view : nullptr);
    case 7:
      return fastfa_forward(net, x.view, y.matrix);
    case 8:
    case 9: {
      std::vector<Matrix> outs;
      std::vector<fastfa_matrix> views;
      for (std::int64_t i = 0; i < layers; ++i) {
        outs.emplace_back(in, dtype, x.view.rows, fastfa_units(net, i));
        views.push_back(outs.back().matrix);
      }
      const std::int64_t n = in.ConsumeIntegralInRange<std::int64_t>(-1, layers);
      const fastfa_matrix* out = rarely(in) ? nullptr : views.data();
      return which == 8 ? fastfa_activations(net, x.view, out, n)
                        : fastfa_deltas(net, x.view, y.view, out, n);
    }
    case 10: {
      fastfa_result result;
      return fastfa_evaluate(net, x.view, y.view, rarely(in) ? nullptr : &result);
    }
    case 11:
    case 12:
      return fastfa_forward_step(net, x.view, y.matrix);
    case 13:
    case 14:
      return fastfa_feedback_step(net, y.view, in.ConsumeBool() ? &y.view : nullptr);
    case 15: {
      std::int64_t examples;
      std::int32_t a, b;
      checked(fastfa_step_state(net, &examples, &a, in.ConsumeBool() ? &b : nullptr));
      Matrix out(in, dtype, examples, fastfa_units(net, l));
      return in.ConsumeBool() ? fastfa_step_activations(net, l, out.matrix)
                              : fastfa_step_deltas(net, l, out.matrix);
    }
    case 16: {
      checked(fastfa_weights(net, l, &tensor));
      checked(fastfa_biases(net, l, rarely(in) ? nullptr : &tensor));
      return fastfa_feedback_stored(net, l, &tensor);
    }
    case 17: {
      const std::int64_t source =
          in.ConsumeBool() ? n_out : fastfa_units(net, l < layers - 1 ? l + 1 : l);
      if (fastfa_units(net, l) * source > 100000) return FASTFA_OK;
      Matrix out(in, dtype, fastfa_units(net, l), source);
      return fastfa_feedback_array(net, l, out.matrix);
    }
    case 18:
      training = true;  // removed weights become zero
      return fastfa_reset_memory(net);
    case 19: {
      training = true;  // B is another one
      const std::int64_t n = in.ConsumeIntegralInRange<std::int64_t>(0, 3);
      std::vector<fastfa_feedback> specs;
      for (std::int64_t i = 0; i < n; ++i) specs.push_back(feedback(in, kept));
      const auto bytes = packed(in, specs);
      const std::int64_t said = rarely(in) ? -1 : n;
      return fastfa_set_feedback(net,
                                 n ? reinterpret_cast<const fastfa_feedback*>(bytes.data()) : nullptr,
                                 said, number(in, {0.0, 0.0, 0.01}));
    }
    case 20:
      return fastfa_save(net, rarely(in) ? "/nowhere/x" : path.c_str());
    default:
      return fastfa_load(net, rarely(in) ? "/nowhere/x" : path.c_str());
  }
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  checked(fastfa_set_num_threads(1));
  return 0;
}

static void test_one(const std::uint8_t* data, std::size_t bytes) {
  static const std::string path = "/dev/shm/fastfa-fuzz-" + std::to_string(::getpid());
  Bytes in(data, bytes);
  std::vector<std::vector<double>> kept;
  const std::int64_t n_layers = in.ConsumeIntegralInRange<std::int64_t>(1, 4);
  std::vector<fastfa_layer> layers;
  for (std::int64_t i = 0; i < n_layers; ++i) layers.push_back(layer(in, i + 1 == n_layers));
  fastfa_config config = FASTFA_CONFIG_INIT;
  config.inputs = size(in);
  if (layers[0].maps > 0 && !rarely(in)) {
    std::int64_t pixels = 0;
    const bool over = __builtin_mul_overflow(layers[0].channels, layers[0].height, &pixels) ||
                      __builtin_mul_overflow(pixels, layers[0].width, &pixels);
    if (!over || in.ConsumeBool()) config.inputs = pixels;
  }
  std::vector<fastfa_feedback> specs;
  const int given = in.ConsumeIntegralInRange<int>(0, 3);
  for (int i = 0; i < (given == 3 ? n_layers - 1 : given); ++i) specs.push_back(feedback(in, kept));
  const auto layer_bytes = packed(in, layers);
  const auto feedback_bytes = packed(in, specs);
  config.layers = rarely(in) ? nullptr : reinterpret_cast<const fastfa_layer*>(layer_bytes.data());
  config.n_layers = rarely(in) ? in.ConsumeIntegralInRange<std::int64_t>(-2, n_layers) : n_layers;
  config.feedback = reinterpret_cast<const fastfa_feedback*>(feedback_bytes.data());
  config.n_feedback =
      rarely(in) ? in.ConsumeIntegralInRange<std::int64_t>(-2, static_cast<std::int64_t>(specs.size()))
                 : static_cast<std::int64_t>(specs.size());
  const char* top = layers.back().activation;
  const bool soft =
      top && (!std::strcmp(top, "softmax") || (!std::strcmp(top, "logistic") && in.ConsumeBool()));
  config.loss = rarely(in) ? word(in, {"squared_error"}) : soft ? "cross_entropy" : "squared_error";
  config.dtype = rarely(in) ? in.ConsumeIntegral<std::int32_t>() : in.ConsumeBool();
  config.seed = in.ConsumeIntegral<std::uint64_t>();
  config.input_dropout = number(in, {0.0, 0.0, 0.2});
  config.perturbation = number(in, {0.0, 0.0, 0.0, 0.01});
  if (config.perturbation > 0 && !rarely(in)) config.n_feedback = 0;
  config.device = word(in, {"cpu"});
  const auto config_bytes = packed(in, std::vector<fastfa_config>{config});

  fastfa_network* net = nullptr;
  const fastfa_status made = fastfa_network_create(
      rarely(in) ? nullptr : reinterpret_cast<const fastfa_config*>(config_bytes.data()),
      rarely(in) ? nullptr : &net);
  checked(made);
  if ((made == FASTFA_OK) != (net != nullptr)) std::abort();
  if (!net) return;
  std::int64_t parameters = 0;
  fuzz::each_tensor(net, [&](const fastfa_tensor& t) {
    std::int64_t n = 1;
    for (int a = 0; a < t.ndim; ++a) n *= t.shape[a];
    parameters += n;
  });
  if (parameters < 20000) {
    const int calls = in.ConsumeIntegralInRange<int>(0, 12);
    for (int i = 0; i < calls && in.remaining_bytes() > 0; ++i) {
      const std::string before = fuzz::state(net);
      bool training = false;
      const fastfa_status status = call(in, net, config.dtype, training, kept, path);
      checked(status);
      const bool may_learn =
          training && (status == FASTFA_OK || status == FASTFA_DIVERGED || status == FASTFA_INTERRUPTED);
      const bool may_change = may_learn || (status == FASTFA_OK && !training);
      if (!may_change && fuzz::state(net) != before) std::abort();
      fuzz::check_finite(net);
    }
  }
  fastfa_network_destroy(net);
  ::unlink(path.c_str());
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t bytes) {
  const fuzz::Within limit(5.0);  // of a dozen calls with every check
  limited = true;
  test_one(data, bytes);
  limited = false;
  return 0;
}

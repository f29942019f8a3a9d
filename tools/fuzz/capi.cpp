// libFuzzer: the C API. The bytes describe a network, with values from everyday to absurd, and calls on
// it. Every call must succeed or name an error; one that fails outside of training leaves the weights as
// they were; no weight is ever not finite; memory is as large as it is said to be (ASan, in the kernels
// too). The caller's own duties (pointers to what is described) are kept.
#include <fuzzer/FuzzedDataProvider.h>
#include <unistd.h>

#include <climits>
#include <limits>
#include <memory>
#include <new>
#include <vector>

#include "common.h"

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

using Bytes = FuzzedDataProvider;

bool rarely(Bytes& in) { return in.ConsumeIntegral<std::uint8_t>() >= 245; }

// For the absurd: products of these overflow.
std::int64_t any_size(Bytes& in) {
  static const std::int64_t odd[] = {
      0,         -1,        INT64_MIN,         INT64_MAX,        1LL << 31,
      1LL << 32, 1LL << 40, (1LL << 62) + 1,   3037000500LL,     4294967297LL,
      111620,    429509837, (1LL << 61) + 513, INT64_MAX / 8 + 1};
  return in.ConsumeBool() ? in.PickValueInArray(odd) : in.ConsumeIntegral<std::int64_t>();
}

std::int64_t size(Bytes& in) {
  static const std::int64_t usual[] = {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 64, 65};
  return rarely(in) ? any_size(in) : in.PickValueInArray(usual);
}

double number(Bytes& in, std::initializer_list<double> usual) {
  static const double odd[] = {0.0,  -0.0,  1.0,    -1.0,  2.0,      1e-3,      1e9, 1e14,          1e15,
                               1e38, 1e300, 1e-320, 1e-46, INFINITY, -INFINITY, NAN, 0.999999999999};
  if (!rarely(in)) return usual.begin()[in.ConsumeIntegralInRange<std::size_t>(0, usual.size() - 1)];
  return in.ConsumeBool() ? in.PickValueInArray(odd) : in.ConsumeFloatingPoint<double>();
}

const char* word(Bytes& in, std::initializer_list<const char*> known) {
  static const char* const odd[] = {nullptr, "",    "nonsense", "cuda", "cuda:99999999999999999999",
                                    "%s%n",  "\xff"};
  if (rarely(in)) return in.PickValueInArray(odd);
  return known.begin()[in.ConsumeIntegralInRange<std::size_t>(0, known.size() - 1)];
}

std::int32_t flag(Bytes& in) {
  return rarely(in) ? in.ConsumeIntegral<std::int32_t>() : in.ConsumeBool();
}

// An array of structs as a caller of any header version has it: elements are as long as they say.
template <class S>
std::vector<char> packed(Bytes& in, const std::vector<S>& structs) {
  const std::size_t real = sizeof(S);
  std::size_t said = real;
  if (rarely(in)) said = in.ConsumeIntegralInRange<std::size_t>(0, 20 * real);
  const std::size_t step = said ? said : 1;
  std::vector<char> bytes(step * structs.size() + 20 * real);
  for (std::size_t i = 0; i < structs.size(); ++i) {
    std::memcpy(&bytes[i * step], &structs[i], said < real ? said : real);
    std::memcpy(&bytes[i * step], &said, sizeof said);
  }
  if (said > real && rarely(in)) bytes[said - 1] = 1;
  return bytes;
}

std::int32_t propagate(void* user, const double* delta, std::int64_t n, std::int64_t n_source,
                       double* out, std::int64_t n_l) {
  const auto kind = reinterpret_cast<std::uintptr_t>(user);
  double sum = 0;
  for (std::int64_t i = 0; i < n * n_source; ++i) sum += delta[i];
  for (std::int64_t i = 0; i < n * n_l; ++i) out[i] = kind == 1 ? NAN : sum;
  return kind == 2 ? 7 : 0;
}

std::int32_t poll(void* left) { return --*static_cast<int*>(left) < 0; }

fastfa_layer layer(Bytes& in, bool last) {
  fastfa_layer l = FASTFA_LAYER_INIT;
  l.units = size(in);
  l.activation = last ? word(in, {"linear", "logistic", "softmax", "tanh"})
                      : word(in, {"logistic", "tanh", "relu", "leaky_relu", "linear"});
  l.weight_scale = number(in, {-1.0, 0.1, 0.0});
  l.density = number(in, {1.0, 1.0, 1.0, 0.5});
  l.dropout = last && !rarely(in) ? 0.0 : number(in, {0.0, 0.0, 0.0, 0.5});
  l.bias = flag(in);
  l.trainable = flag(in);
  if (!last && in.ConsumeIntegral<std::uint8_t>() < 60) {
    l.density = 1.0;
    l.channels = size(in);
    l.height = size(in);
    l.width = size(in);
    l.maps = size(in);
    l.kernel_h = size(in);
    l.kernel_w = size(in);
    l.stride_h = size(in);
    l.stride_w = size(in);
    l.same_padding = flag(in);
  }
  return l;
}

fastfa_feedback feedback(Bytes& in, std::vector<std::vector<double>>& kept) {
  fastfa_feedback f = FASTFA_FEEDBACK_INIT;
  if (in.ConsumeBool()) {
    const char* name = word(in, {"bp", "fa", "dfa", "drtp", "shallow", "sparse_fa", "usf", "brsf",
                                 "frsf", "kp", "dkp", "wm", "pbp"});
    fastfa_preset(name, &f);
    return f;
  }
  f.matrix =
      word(in, {"uniform", "transpose", "pseudoinverse", "sign", "normal", "orthogonal", "sparse",
                "low_rank", "binary", "ternary", "hadamard", "procedural", "array", "zero", "custom"});
  f.route = word(in, {"layerwise", "direct", "target"});
  f.plasticity = word(in, {"fixed", "fixed", "kolen_pollack", "weight_mirror"});
  f.magnitude = word(in, {"uniform", "fixed", "redrawn"});
  f.scale = number(in, {-1.0, -1.0, 0.1});
  f.gain = number(in, {0.0, 0.0, 1.0});
  f.density = number(in, {0.5, 0.01});
  f.rank = rarely(in) ? any_size(in) : in.ConsumeIntegralInRange<std::int64_t>(0, 3);
  f.refresh = rarely(in) ? any_size(in) : in.ConsumeIntegralInRange<std::int64_t>(1, 3);
  if (std::string(f.matrix ? f.matrix : "") == "array" || rarely(in)) {
    f.rows = size(in);
    f.cols = size(in);
    const bool sane = f.rows > 0 && f.cols > 0 && f.rows < 100 && f.cols < 100;
    kept.emplace_back(sane ? f.rows * f.cols : 1, number(in, {0.1, -0.2}));
    if (!sane && f.rows > 0 && f.cols > 0) f.rows = 0;  // or the array would be shorter than we say
    f.array = kept.back().data();
  }
  f.mirror_lr = number(in, {0.0, 0.1});
  f.mirror_noise = number(in, {1.0, 0.1});
  f.mirror_every = rarely(in) ? any_size(in) : 1;
  if (std::string(f.matrix ? f.matrix : "") == "custom" && !rarely(in)) {
    f.propagate = propagate;
    f.user = reinterpret_cast<void*>(std::uintptr_t{in.ConsumeIntegralInRange<std::uint8_t>(0, 2)});
  }
  return f;
}

// Memory of exactly the size that a view says, with any dtype and stride that a caller may have.
class Matrix {
 public:
  Matrix(Bytes& in, std::int32_t dtype, std::int64_t rows, std::int64_t cols) {
    if (rarely(in)) rows = in.ConsumeIntegralInRange<std::int64_t>(-1, 20);
    if (rarely(in)) cols = in.ConsumeIntegralInRange<std::int64_t>(-1, 70);
    if (rarely(in)) dtype = in.ConsumeIntegralInRange<std::int32_t>(-1, 2);
    const std::int64_t r = rows > 0 ? rows : 0, c = cols > 0 ? cols : 0;
    std::int64_t step = c;
    if (in.ConsumeBool()) step += in.ConsumeIntegralInRange<std::int64_t>(0, 5);
    if (rarely(in)) step = rarely(in) ? 0 : -step;
    const std::size_t width = dtype == FASTFA_FLOAT32 ? 4 : 8;
    const std::int64_t distance = step < 0 ? -step : step;
    bytes_.reset(new char[(r ? (r - 1) * distance + c : 0) * width]);
    char* first = bytes_.get() + (step < 0 && r ? (r - 1) * distance * width : 0);
    const double values[3] = {number(in, {0.0, 0.5, 1.0, -3.0}), number(in, {0.0, 1.0}),
                              number(in, {0.25})};
    for (std::int64_t i = 0; i < r * c; ++i) {
      char* at = first + (i / c * step + i % c) * static_cast<std::int64_t>(width);
      const double v = values[i % 3];
      const float f = static_cast<float>(v);
      std::memcpy(at, width == 4 ? static_cast<const void*>(&f) : &v, width);
    }
    void* data = rarely(in) ? nullptr : first;
    const std::int64_t across = rarely(in) ? in.ConsumeIntegralInRange<std::int64_t>(-2, 0) : 1;
    view = {data, dtype, rows, cols, step, across};
    // What is written must not overlap itself; where a stride would, it is the caller's mistake.
    matrix = {data, dtype, rows, cols, step ? step : c, 1};
    if (!step && r > 1) matrix.data = nullptr;
  }
  fastfa_view view;
  fastfa_matrix matrix;

 private:
  std::unique_ptr<char[]> bytes_;
};

void checked(fastfa_status status) {
  if (status == FASTFA_OK) return;
  if (status < 0 || status > FASTFA_DEVICE || status == FASTFA_FAILED) std::abort();
  if (!*fastfa_last_error()) std::abort();
}

std::vector<char> optimizer(Bytes& in) {
  fastfa_optimizer sgd = FASTFA_SGD_INIT, adam = FASTFA_ADAM_INIT;
  fastfa_optimizer o = in.ConsumeBool() ? adam : sgd;
  if (rarely(in)) o.rule = word(in, {"sgd", "adam", "adamw", "rmsprop"});
  o.lr = number(in, {0.1, 0.001, 1.0, 0.0});
  if (o.rule == sgd.rule) {
    o.momentum = number(in, {0.0, 0.9});
    o.sum = flag(in);
    if (rarely(in)) o.nesterov = flag(in);
  }
  o.weight_decay = number(in, {0.0, 0.01});
  if (rarely(in)) o.beta1 = number(in, {0.5});
  if (rarely(in)) o.beta2 = number(in, {0.5});
  if (rarely(in)) o.epsilon = number(in, {1e-8});
  if (rarely(in)) o.rho = number(in, {0.5});
  return packed(in, std::vector<fastfa_optimizer>{o});
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

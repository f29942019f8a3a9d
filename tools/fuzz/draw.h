// What bytes make of the C API's structs and arrays: values from everyday to absurd.
#pragma once

#include <fuzzer/FuzzedDataProvider.h>

#include <climits>
#include <limits>
#include <memory>
#include <vector>

#include "common.h"

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
  f.in_bf16 = rarely(in);
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

}  // namespace

// The C interface: looking and learning.
#include <type_traits>

#include "capi/convert.h"
#include "capi/given.h"
#include "capi/handle.h"

namespace fastfa {
namespace {

template <class T>
std::int64_t outputs(const Network<T>& n) {
  return n.units(n.layers() - 1);
}

// The first `count` layers' matrices of the caller's, (rows, n_l) each.
template <class T>
std::vector<MatrixView<T>> per_layer(const Network<T>& n, const fastfa_matrix* out, std::int64_t count,
                                     std::int64_t rows) {
  if (count < 1 || count > n.layers() || !out) {
    refuse("[fastfa] there were " + std::to_string(count) + " matrices; it must be from 1 to " +
           std::to_string(n.layers()) + ", one for each layer");
  }
  std::vector<MatrixView<T>> views;
  views.reserve(static_cast<std::size_t>(count));
  for (int l = 0; l < count; ++l) views.push_back(write<T>("out", out[l], rows, n.units(l)));
  return views;
}

template <class T>
MatrixView<const T> target_of(const fastfa_view* target) {
  return target ? read<T>("target", *target) : MatrixView<const T>{};
}

template <class T>
EpochResult train(const char* call, Network<T>& net, const fastfa_view& x, const fastfa_view& y,
                  const fastfa_view* sample_weight, const fastfa_optimizer* optimizer,
                  std::int64_t batch_size, const std::int64_t* order, std::int64_t n, fastfa_poll poll,
                  void* user) {
  const MatrixView<const T> xv = read<T>("x", x), yv = read<T>("y", y);
  const Weights<T> weights(sample_weight, x.rows);
  const Order own(call, order, n, x.rows);
  return net.train_epoch(xv, yv, optimizer_of(optimizer), batch_size, own.data, own.n,
                         poll_of(poll, user), nullptr, weights.data());
}

// One layer of what is kept of a step in parts.
template <class T>
void read_kept(Network<T>& n, std::int64_t layer, const fastfa_matrix& out, bool deltas) {
  const int l = checked_index("layer", layer, n.layers());
  std::vector<MatrixView<T>> views(static_cast<std::size_t>(l) + 1), none;
  check_not_null("out", out.data);
  check_dtype<T>("out", out.dtype);
  views.back() = {static_cast<T*>(out.data), out.rows, out.cols, out.row_stride, out.col_stride};
  deltas ? n.read_step(none, views) : n.read_step(views, none);
}

}  // namespace
}  // namespace fastfa

using namespace fastfa;

// The network's number type, inside a generic lambda.
#define FASTFA_T typename std::remove_reference_t<decltype(n)>::Number

extern "C" {

fastfa_status fastfa_forward(fastfa_network* net, fastfa_view x, fastfa_matrix out) {
  return with(net, [&](auto& n) {
    using T = FASTFA_T;
    const MatrixView<const T> xv = read<T>("x", x);
    n.forward(xv, write<T>("out", out, x.rows, outputs(n)));
  });
}

fastfa_status fastfa_activations(fastfa_network* net, fastfa_view x, const fastfa_matrix* out,
                                 int64_t count) {
  return with(net, [&](auto& n) {
    using T = FASTFA_T;
    const MatrixView<const T> xv = read<T>("x", x);
    n.activations(xv, per_layer(n, out, count, x.rows));
  });
}

fastfa_status fastfa_deltas(fastfa_network* net, fastfa_view x, fastfa_view y, const fastfa_matrix* out,
                            int64_t count) {
  return with(net, [&](auto& n) {
    using T = FASTFA_T;
    const MatrixView<const T> xv = read<T>("x", x), yv = read<T>("y", y);
    n.deltas(xv, yv, per_layer(n, out, count, x.rows));
  });
}

fastfa_status fastfa_calibrate_feedback(fastfa_network* net, fastfa_view x, fastfa_view y, double gain,
                                        double growth) {
  return with(net, [&](auto& n) {
    using T = FASTFA_T;
    n.calibrate_feedback(read<T>("x", x), read<T>("y", y), gain, growth);
  });
}

fastfa_status fastfa_evaluate(fastfa_network* net, fastfa_view x, fastfa_view y, fastfa_result* result) {
  return with(net, [&](auto& n) {
    using T = FASTFA_T;
    check_not_null("result", result);
    const EpochResult r = n.evaluate(read<T>("x", x), read<T>("y", y));
    *result = {r.loss, r.wrong, r.examples};
  });
}

fastfa_status fastfa_deltas_weighted(fastfa_network* net, fastfa_view x, fastfa_view y,
                                     fastfa_view sample_weight, const fastfa_matrix* out,
                                     int64_t count) {
  return with(net, [&](auto& n) {
    using T = FASTFA_T;
    const MatrixView<const T> xv = read<T>("x", x), yv = read<T>("y", y);
    const Weights<T> weights(&sample_weight, x.rows);
    n.deltas(xv, yv, per_layer(n, out, count, x.rows), nullptr, 0.0, {}, weights.data());
  });
}

fastfa_status fastfa_evaluate_weighted(fastfa_network* net, fastfa_view x, fastfa_view y,
                                       fastfa_view sample_weight, fastfa_weighted_result* result) {
  return with(net, [&](auto& n) {
    using T = FASTFA_T;
    check_weighted(result, true);
    const MatrixView<const T> xv = read<T>("x", x), yv = read<T>("y", y);
    const Weights<T> weights(&sample_weight, x.rows);
    tell(result, n.evaluate(xv, yv, {}, weights.data()));
  });
}

fastfa_status fastfa_train_epoch(fastfa_network* net, fastfa_view x, fastfa_view y,
                                 const fastfa_optimizer* optimizer, int64_t batch_size,
                                 const int64_t* order, int64_t n_order, fastfa_poll poll, void* user,
                                 fastfa_result* result) {
  return with(net, [&](auto& n) {
    const EpochResult r =
        train("fastfa_train_epoch", n, x, y, nullptr, optimizer, batch_size, order, n_order, poll, user);
    if (result) *result = {r.loss, r.wrong, r.examples};
  });
}

fastfa_status fastfa_train_epoch_weighted(fastfa_network* net, fastfa_view x, fastfa_view y,
                                          fastfa_view sample_weight, const fastfa_optimizer* optimizer,
                                          int64_t batch_size, const int64_t* order, int64_t n_order,
                                          fastfa_poll poll, void* user, fastfa_weighted_result* result) {
  return with(net, [&](auto& n) {
    check_weighted(result, false);
    tell(result, train("fastfa_train_epoch_weighted", n, x, y, &sample_weight, optimizer, batch_size,
                       order, n_order, poll, user));
  });
}

fastfa_status fastfa_step(fastfa_network* net, fastfa_view x, fastfa_view y,
                          const fastfa_optimizer* optimizer, double* loss) {
  fastfa_result result = {0, 0, 0};
  const fastfa_status status =
      fastfa_train_epoch(net, x, y, optimizer, x.rows, nullptr, 0, nullptr, nullptr, &result);
  if (status == FASTFA_OK && loss) *loss = result.loss;
  return status;
}

fastfa_status fastfa_step_weighted(fastfa_network* net, fastfa_view x, fastfa_view y,
                                   fastfa_view sample_weight, const fastfa_optimizer* optimizer,
                                   double* loss) {
  fastfa_weighted_result result = FASTFA_WEIGHTED_RESULT_INIT;
  const fastfa_status status = fastfa_train_epoch_weighted(net, x, y, sample_weight, optimizer, x.rows,
                                                           nullptr, 0, nullptr, nullptr, &result);
  if (status == FASTFA_OK && loss) *loss = result.loss;
  return status;
}

fastfa_status fastfa_forward_step(fastfa_network* net, fastfa_view x, fastfa_matrix out) {
  return with(net, [&](auto& n) {
    using T = FASTFA_T;
    const MatrixView<const T> xv = read<T>("x", x);
    n.forward_step(xv, out.data ? write<T>("out", out, x.rows, outputs(n)) : MatrixView<T>{});
  });
}

fastfa_status fastfa_feedback_step(fastfa_network* net, fastfa_view e, const fastfa_view* target) {
  return with(net, [&](auto& n) {
    using T = FASTFA_T;
    n.feedback_step(read<T>("e", e), target_of<T>(target));
  });
}

fastfa_status fastfa_update_step(fastfa_network* net, const fastfa_optimizer* optimizer) {
  return with(net, [&](auto& n) { n.update_step(optimizer_of(optimizer)); });
}

fastfa_status fastfa_apply_error(fastfa_network* net, fastfa_view e, const fastfa_optimizer* optimizer,
                                 const fastfa_view* target) {
  return with(net, [&](auto& n) {
    using T = FASTFA_T;
    n.apply_error(read<T>("e", e), optimizer_of(optimizer), target_of<T>(target));
  });
}

fastfa_status fastfa_step_state(fastfa_network* net, int64_t* examples, int32_t* has_deltas,
                                int32_t* updated) {
  return with(net, [&](auto& n) {
    const StepState state = n.step_state();
    if (examples) *examples = state.examples;
    if (has_deltas) *has_deltas = state.has_deltas;
    if (updated) *updated = state.updated;
  });
}

fastfa_status fastfa_step_activations(fastfa_network* net, int64_t layer, fastfa_matrix out) {
  return with(net, [&](auto& n) { read_kept(n, layer, out, false); });
}

fastfa_status fastfa_step_deltas(fastfa_network* net, int64_t layer, fastfa_matrix out) {
  return with(net, [&](auto& n) { read_kept(n, layer, out, true); });
}
}

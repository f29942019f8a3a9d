// The C interface: networks in time.
#include <algorithm>
#include <type_traits>

#include "capi/convert.h"
#include "capi/given.h"
#include "capi/handle.h"

using namespace fastfa;

#define FASTFA_T typename std::remove_reference_t<decltype(n)>::Number

extern "C" {

fastfa_status fastfa_train_sequences(fastfa_network* net, fastfa_view x, fastfa_view y,
                                     const fastfa_view* weight, const fastfa_sequences* plan,
                                     const fastfa_optimizer* optimizer, fastfa_poll poll, void* user,
                                     fastfa_weighted_result* result) {
  return with(net, [&](auto& n) {
    using T = FASTFA_T;
    check_weighted(result, false);
    const MatrixView<const T> xv = read<T>("x", x), yv = read<T>("y", y);
    const Weights<T> weights(weight, x.rows);
    SequencePlan how = sequence_plan(plan);
    const std::int64_t all = x.rows / std::max(std::int64_t{1}, how.times);
    const Order order("fastfa_train_sequences", how.order, how.n, std::max(std::int64_t{1}, all));
    how.order = order.data;
    how.n = order.n;
    tell(result,
         n.train_sequences(xv, yv, how, optimizer_of(optimizer), poll_of(poll, user), weights.data()));
  });
}

fastfa_status fastfa_forward_sequences(fastfa_network* net, fastfa_view x, int64_t times,
                                       fastfa_matrix out) {
  return with(net, [&](auto& n) {
    using T = FASTFA_T;
    const MatrixView<const T> xv = read<T>("x", x);
    n.forward_sequences(xv, times, write<T>("out", out, x.rows, n.units(n.layers() - 1)), {});
  });
}

fastfa_status fastfa_evaluate_sequences(fastfa_network* net, fastfa_view x, fastfa_view y,
                                        const fastfa_view* weight, int64_t times,
                                        fastfa_weighted_result* result) {
  return with(net, [&](auto& n) {
    using T = FASTFA_T;
    check_weighted(result, true);
    const MatrixView<const T> xv = read<T>("x", x), yv = read<T>("y", y);
    const Weights<T> weights(weight, x.rows);
    tell(result, n.evaluate_sequences(xv, yv, times, {}, weights.data()));
  });
}

fastfa_status fastfa_reset(fastfa_network* net) {
  return with(net, [](auto& n) { n.reset(); });
}

fastfa_status fastfa_set_state(fastfa_network* net, fastfa_view h) {
  return with(net, [&](auto& n) {
    using T = FASTFA_T;
    const MatrixView<const T> from = read<T>("h", h);
    const int layer = n.recurrent_layer();
    if (layer >= 0 && from.cols != n.units(layer)) {
      refuse("[fastfa_set_state] h has " + std::to_string(from.cols) + " columns; it must have " +
             std::to_string(n.units(layer)) + ", one for each unit of the recurrent layer");
    }
    n.begin_state(from.rows);
    const MatrixView<T> to = n.state().view;
    for (std::int64_t r = 0; r < to.rows; ++r) {
      for (std::int64_t c = 0; c < to.cols; ++c) to(r, c) = from(r, c);
    }
  });
}

fastfa_status fastfa_state(fastfa_network* net, fastfa_matrix out) {
  return with(net, [&](auto& n) {
    using T = FASTFA_T;
    const OwnedMatrix<T> kept = n.state();
    if (!kept.view.data) refuse("[fastfa_state] the network has no state; it must have begun one");
    const MatrixView<T> to = write<T>("out", out, kept.view.rows, kept.view.cols);
    for (std::int64_t r = 0; r < to.rows; ++r) {
      for (std::int64_t c = 0; c < to.cols; ++c) to(r, c) = kept.view(r, c);
    }
  });
}
}

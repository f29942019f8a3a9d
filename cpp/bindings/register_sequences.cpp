// Sequences for networks with a recurrent layer. X and Y come as rows (N · times, …).
#include <algorithm>
#include <optional>

#include "bindings/arrays.h"
#include "bindings/register.h"
#include "bindings/results.h"
#include "fastfa/ensemble.h"
#include "fastfa/names.h"

namespace fastfa {
namespace {

template <class T>
MatrixView<const T> matrix_of(const Array<T>& a) {
  if (a.ndim() != 2) throw std::invalid_argument("[fastfa] X and Y must have two dimensions");
  return {a.data(), a.shape(0), a.shape(1)};
}

SequencePlan plan_of(std::int64_t times, const std::string& update, std::int64_t batch_size,
                     const Array<std::int64_t>& order, bool carry, std::int64_t window) {
  if (order.ndim() != 1) {
    throw std::invalid_argument("[train_sequences] order must have one dimension");
  }
  return {times, parse<TimeUpdate>(update), batch_size, order.data(), order.size(), carry, window};
}

}  // namespace

template <class T>
void register_sequences(py::class_<Network<T>>& network) {
  using Net = Network<T>;
  network
      .def(
          "train_sequences",
          [](Net& net, const Array<T>& x, const Array<T>& y, std::int64_t times,
             const Optimizer& optimizer, const std::string& update, std::int64_t batch_size,
             const Array<std::int64_t>& order, bool carry, std::int64_t window,
             const std::optional<Array<T>>& weight) {
            const MatrixView<const T> xv = matrix_of<T>(x), yv = matrix_of<T>(y);
            const T* const weights = weights_of<T>(weight, xv.rows);
            const SequencePlan plan = plan_of(times, update, batch_size, order, carry, window);
            return as_tuple(released(
                [&] { return net.train_sequences(xv, yv, plan, optimizer, signals(), weights); }));
          },
          py::arg("x"), py::arg("y"), py::arg("times"), py::arg("optimizer"), py::arg("update"),
          py::arg("batch_size"), py::arg("order"), py::arg("carry"), py::arg("window"),
          py::arg("weight"))
      .def(
          "forward_sequences",
          [](Net& net, const Array<T>& x, std::int64_t times) {
            const MatrixView<const T> xv = matrix_of<T>(x);
            const std::int64_t n_out = net.units(net.layers() - 1);
            Array<T> out({xv.rows, n_out});
            const MatrixView<T> to{out.mutable_data(), xv.rows, n_out};
            released([&] { net.forward_sequences(xv, times, to, signals()); });
            return out;
          },
          py::arg("x"), py::arg("times"))
      .def(
          "evaluate_sequences",
          [](Net& net, const Array<T>& x, const Array<T>& y, std::int64_t times,
             const std::optional<Array<T>>& weight) {
            const MatrixView<const T> xv = matrix_of<T>(x), yv = matrix_of<T>(y);
            const T* const weights = weights_of<T>(weight, xv.rows);
            return as_tuple(
                released([&] { return net.evaluate_sequences(xv, yv, times, signals(), weights); }));
          },
          py::arg("x"), py::arg("y"), py::arg("times"), py::arg("weight"))
      .def(
          "deltas_sequences",
          [](Net& net, const Array<T>& x, const Array<T>& y, std::int64_t times,
             const std::optional<std::vector<FeedbackSpec>>& feedback,
             const std::optional<std::string>& through, const std::optional<Array<T>>& weight) {
            const MatrixView<const T> xv = matrix_of<T>(x), yv = matrix_of<T>(y);
            const T* const weights = weights_of<T>(weight, xv.rows);
            std::optional<RecurrentFeedback> back;
            if (through) back = parse<RecurrentFeedback>(*through);
            const std::int64_t units = net.units(std::max(0, net.recurrent_layer()));
            Array<T> out({xv.rows, units});
            const MatrixView<T> to{out.mutable_data(), xv.rows, units};
            released([&] {
              net.deltas_sequences(xv, yv, times, to, feedback ? &*feedback : nullptr, back, signals(),
                                   weights);
            });
            return out;
          },
          py::arg("x"), py::arg("y"), py::arg("times"), py::arg("feedback"), py::arg("through"),
          py::arg("weight"))
      .def("reset", &Net::reset, py::call_guard<WithoutGil>())
      .def("begin_state", &Net::begin_state, py::call_guard<WithoutGil>(), py::arg("examples"))
      .def("state",
           [](Net& net) -> py::object {
             const OwnedMatrix<T> found = released([&] { return net.state(); });
             return found.view.data ? expose(found) : py::none();
           })
      .def("traces",
           [](Net& net) -> py::object {
             const OwnedMatrix<T> found = released([&] { return net.traces(); });
             return found.view.data ? expose(found) : py::none();
           })
      .def("past_inputs", [](Net& net) -> py::object {
        const OwnedMatrix<T> found = released([&] { return net.past_inputs(); });
        return found.view.data ? expose(found) : py::none();
      });
}

template <class T>
void register_sequences_together(py::module_& m) {
  m.def(
      "train_sequences_together",
      [](const std::vector<Network<T>*>& nets, const Array<T>& x, const Array<T>& y, std::int64_t times,
         const std::vector<Optimizer>& optimizers, const std::string& update, std::int64_t batch_size,
         const Array<std::int64_t>& order, bool carry, std::int64_t window,
         const std::optional<Array<T>>& weight) {
        const MatrixView<const T> xv = matrix_of<T>(x), yv = matrix_of<T>(y);
        const T* const weights = weights_of<T>(weight, xv.rows);
        const SequencePlan plan = plan_of(times, update, batch_size, order, carry, window);
        return rows_of(released([&] {
          return train_sequences_together(nets, xv, yv, plan, optimizers, signals(), weights);
        }));
      },
      py::arg("networks"), py::arg("x").noconvert(), py::arg("y").noconvert(), py::arg("times"),
      py::arg("optimizers"), py::arg("update"), py::arg("batch_size"), py::arg("order"),
      py::arg("carry"), py::arg("window"), py::arg("weight").noconvert());
}
template void register_sequences_together<float>(py::module_&);
template void register_sequences_together<double>(py::module_&);
template void register_sequences(py::class_<Network<float>>&);
template void register_sequences(py::class_<Network<double>>&);

}  // namespace fastfa

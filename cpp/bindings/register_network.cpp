// Network<float> and Network<double> for Python. Arrays are borrowed, never copied; the GIL is released
// while the core works, and taken back briefly to look for Ctrl-C.
#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <optional>

#include "bindings/arrays.h"
#include "bindings/device_arrays.h"
#include "bindings/register.h"
#include "bindings/results.h"
#include "fastfa/ensemble.h"
#include "fastfa/names.h"
#include "fastfa/network.h"

namespace py = pybind11;

namespace fastfa {
namespace {

py::dict as_dict(const LayerAlignment& a, std::size_t layer) {
  py::dict d;
  d["layer"] = layer;
  d["angle_bp"] = a.angle_bp;
  d["angle_bp_sd"] = a.angle_bp_sd;
  d["angle_bp_layer"] = a.angle_bp_layer;
  d["angle_pbp"] = a.angle_pbp;
  d["angle_pbp_sd"] = a.angle_pbp_sd;
  d["weight_angle"] = a.weight_angle;
  d["neuron_angles"] =
      py::array_t<double>(static_cast<py::ssize_t>(a.neuron_angles.size()), a.neuron_angles.data());
  d["trace_bw"] = a.trace_bw;
  d["trace_abe"] = a.trace_abe;
  d["descent"] = a.descent;
  d["descent_positive"] = a.descent_positive;
  d["norm_ratio"] = a.norm_ratio;
  d["gradient_angle"] = a.gradient_angle;
  return d;
}

template <class T>
void register_class(py::module_& m, const char* name) {
  using Net = Network<T>;
  py::class_<Net> network(m, name);
  register_steps(network);
  register_sequences(network);
  network
      .def(py::init([](std::int64_t inputs, const std::vector<LayerSpec>& layers,
                       const std::vector<FeedbackSpec>& feedback, const std::string& loss,
                       std::uint64_t seed, const Perturbation& perturbation, double input_dropout,
                       const std::string& device) {
             return new Net({inputs, layers, feedback, parse<Loss>(loss), seed, perturbation,
                             input_dropout, device});
           }),
           py::kw_only(), py::arg("inputs"), py::arg("layers"), py::arg("feedback"), py::arg("loss"),
           py::arg("seed"), py::arg("perturbation"), py::arg("input_dropout"), py::arg("device"))
      .def_property_readonly("steps", &Net::steps)
      .def("reaches",
           [](Net& net, std::uintptr_t pointer, std::size_t bytes) {
             return net.reaches(reinterpret_cast<const void*>(pointer), bytes);
           })
      .def("use_tf32", &Net::use_tf32, py::call_guard<WithoutGil>())
      .def("use_bf16", &Net::use_bf16, py::call_guard<WithoutGil>())
      .def("use_cublas", &Net::use_cublas, py::call_guard<WithoutGil>())
      .def("use_stream", &Net::use_stream, py::call_guard<WithoutGil>())
      .def("stream", &Net::stream)
      .def("wait_for", &Net::wait_for, py::call_guard<WithoutGil>())
      .def("weights",
           [](py::object self, int layer) { return expose(self.cast<Net&>().weights(layer), self); })
      .def("biases",
           [](py::object self, int layer) -> py::object {
             const MatrixView<T> b = self.cast<Net&>().biases(layer);
             if (!b.data) return py::none();
             return py::array_t<T>({b.cols}, {py::ssize_t{sizeof(T)}}, b.data, self);
           })
      .def("feedback",
           [](Net& net, int hidden) -> py::object {
             const OwnedMatrix<T> b = net.feedback(hidden);
             return b.view.data ? expose(b) : py::none();
           })
      .def("feedback_state",
           [](Net& net, int hidden) -> py::object {
             const OwnedWeights<T> b = net.feedback_state(hidden);
             return b.view.data ? expose(b) : py::none();
           })
      .def("feedback_scale", &Net::feedback_scale)
      .def("feedback_bytes", &Net::feedback_bytes)
      .def("feedback_array",
           [](Net& net, int hidden) {
             return expose(released([&] { return net.feedback_array(hidden); }));
           })
      .def("set_feedback", &Net::set_feedback, py::call_guard<WithoutGil>(), py::arg("feedback"),
           py::arg("perturbation"))
      .def("reset_memory", &Net::reset_memory, py::call_guard<WithoutGil>())
      .def("progress",
           [](Net& net) {
             const Progress p = released([&] { return net.progress(); });
             return py::make_tuple(p.steps, fastfa::name(p.memory), p.adam_steps, p.inverted);
           })
      .def(
          "set_progress",
          [](Net& net, std::int64_t steps, const std::string& memory, std::int64_t adam_steps,
             const std::vector<std::int64_t>& inverted) {
            const Progress p{steps, parse<Memory>(memory), adam_steps, inverted};
            released([&] { net.set_progress(p); });
          },
          py::arg("steps"), py::arg("memory"), py::arg("adam_steps"), py::arg("inverted"))
      .def(
          "memory",
          [](Net& net, const std::string& part, int layer, int moment) -> py::object {
            const auto of = parse<Part>(part);
            const OwnedWeights<T> found = released([&] { return net.memory(of, layer, moment); });
            return found.view.data ? expose(found) : py::none();
          },
          py::arg("part"), py::arg("layer"), py::arg("moment"))
      .def("kept_inverse",
           [](Net& net, int hidden) -> py::object {
             const OwnedMatrix<T> b = released([&] { return net.kept_inverse(hidden); });
             return b.view.data ? expose(b) : py::none();
           })
      .def("time_layer", &Net::time_layer, py::call_guard<WithoutGil>(), py::arg("layer"), py::arg("n"),
           py::arg("repeats"))
      .def("time_feedback", &Net::time_feedback, py::call_guard<WithoutGil>(), py::arg("hidden"),
           py::arg("n"), py::arg("repeats"))
      .def(
          "forward",
          [](Net& net, const Given<T>& x) -> py::object {
            const auto xv = x.view;
            const std::int64_t n_out = net.units(net.layers() - 1);
            if (x.on_device) {  // and so is what comes out
              const OwnedMatrix<T> there = released([&] { return net.allocate(xv.rows, n_out); });
              released([&] { net.forward(xv, there.view, signals()); });
              return expose(there);
            }
            Array<T> out({xv.rows, n_out});
            const MatrixView<T> to{out.mutable_data(), xv.rows, n_out, n_out, 1};
            released([&] { net.forward(xv, to, signals()); });
            return std::move(out);
          },
          py::arg("x"))
      .def(
          "activations",
          [](Net& net, const Given<T>& x) {
            const auto xv = x.view;
            PerLayer<T> out(net, xv.rows);
            released([&] { net.activations(xv, out.views, signals()); });
            return out.arrays;
          },
          py::arg("x"))
      .def(
          "deltas",
          [](Net& net, const Given<T>& x, const Given<T>& y,
             const std::optional<std::vector<FeedbackSpec>>& feedback, const Perturbation& perturbation,
             const std::optional<Array<T>>& sample_weight) {
            const auto xv = x.view, yv = y.view;
            const T* const weights = weights_of(sample_weight, xv.rows);
            PerLayer<T> out(net, xv.rows);
            released([&] {
              net.deltas(xv, yv, out.views, feedback ? &*feedback : nullptr, perturbation, signals(),
                         weights);
            });
            return out.arrays;
          },
          py::arg("x"), py::arg("y"), py::arg("feedback") = py::none(),
          py::arg("perturbation") = Perturbation{}, py::arg("sample_weight").noconvert() = py::none())
      .def(
          "calibrate_feedback",
          [](Net& net, const Given<T>& x, const Given<T>& y, double gain, double growth) {
            const auto xv = x.view, yv = y.view;
            return released([&] { return net.calibrate_feedback(xv, yv, gain, growth, signals()); });
          },
          py::arg("x"), py::arg("y"), py::arg("gain"), py::arg("growth"))
      .def(
          "alignment",
          [](Net& net, const Given<T>& x, const Given<T>& y, bool gradient, bool matrices,
             int pseudobackprop) {
            const auto xv = x.view, yv = y.view;
            const auto found = released(
                [&] { return net.alignment(xv, yv, {gradient, matrices, pseudobackprop}, signals()); });
            py::list rows;
            for (std::size_t l = 0; l < found.size(); ++l) rows.append(as_dict(found[l], l));
            return rows;
          },
          py::arg("x"), py::arg("y"), py::arg("gradient"), py::arg("matrices"),
          py::arg("pseudobackprop"))
      .def(
          "evaluate",
          [](Net& net, const Given<T>& x, const Given<T>& y,
             const std::optional<Array<T>>& sample_weight) {
            const auto xv = x.view, yv = y.view;
            const T* const weights = weights_of(sample_weight, xv.rows);
            return as_tuple(released([&] { return net.evaluate(xv, yv, signals(), weights); }));
          },
          py::arg("x"), py::arg("y"), py::arg("sample_weight").noconvert() = py::none())
      .def(
          "train_epoch",
          [](Net& net, const Given<T>& x, const Given<T>& y, const Optimizer& optimizer,
             std::int64_t batch_size, const Array<std::int64_t>& order,
             const std::optional<Array<T>>& sample_weight, double loss_sum, double missed_sum,
             double weight_sum) {
            const auto xv = x.view, yv = y.view;
            const T* const weights = weights_of(sample_weight, xv.rows);
            EpochSums sums{loss_sum, missed_sum, weight_sum};
            if (order.ndim() != 1)
              throw std::invalid_argument("[train_epoch] order must have one dimension");
            const EpochResult r = released([&] {
              return net.train_epoch(xv, yv, optimizer, batch_size, order.data(), order.size(),
                                     signals(), &sums, weights);
            });
            return py::make_tuple(r.loss, sums.loss, sums.missed, sums.weight);
          },
          py::arg("x"), py::arg("y"), py::arg("optimizer"), py::arg("batch_size"),
          py::arg("order").noconvert(), py::arg("sample_weight").noconvert() = py::none(),
          py::arg("loss_sum") = 0.0, py::arg("missed_sum") = 0.0, py::arg("weight_sum") = 0.0);
}

template <class T>
void register_together(py::module_& m) {
  m.def(
      "train_together",
      [](const std::vector<Network<T>*>& nets, const Given<T>& x, const Given<T>& y,
         const std::vector<Optimizer>& optimizers, std::int64_t batch_size,
         const Array<std::int64_t>& order, const std::optional<Array<T>>& sample_weight) {
        const auto xv = x.view, yv = y.view;
        const T* const weights = weights_of(sample_weight, xv.rows);
        const Together done = released([&] {
          return train_together(nets, xv, yv, optimizers, batch_size, order.data(), order.size(),
                                signals(), weights);
        });
        return rows_of(done);
      },
      py::arg("networks"), py::arg("x"), py::arg("y"), py::arg("optimizers"), py::arg("batch_size"),
      py::arg("order").noconvert(), py::arg("sample_weight").noconvert() = py::none());
}

}  // namespace

void register_network(py::module_& m) {
  register_class<float>(m, "NetworkFloat32");
  register_class<double>(m, "NetworkFloat64");
  register_together<float>(m);
  register_together<double>(m);
  register_sequences_together<float>(m);
  register_sequences_together<double>(m);
  m.attr("MOST_WEIGHT") = most_weight;
}

}  // namespace fastfa

// Network<float> and Network<double> for Python. Arrays are borrowed, never copied; the GIL is released
// while the core works, and taken back briefly to look for Ctrl-C.
#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <limits>
#include <optional>

#include "bindings/device_arrays.h"
#include "bindings/gil.h"
#include "bindings/register.h"
#include "fastfa/ensemble.h"
#include "fastfa/names.h"
#include "fastfa/network.h"

namespace py = pybind11;

namespace fastfa {
namespace {

template <class T>
using Array = py::array_t<T, py::array::c_style>;

// Are all numbers in [low, high]? NaN isn't.
template <class T>
bool all_within(const T* x, std::int64_t n, T low, T high) {
  int outside = 0;
  for (std::int64_t i = 0; i < n; ++i) outside |= !((x[i] >= low) & (x[i] <= high));
  return outside == 0;
}

// For calls where time counts: an array that the core can use as it is, one example (cols) or some
// (n, cols). Anything else gives no data, and Python converts it or says what is wrong. Subclasses are
// anything else too: numbers behind a mask aren't data.
template <class T>
MatrixView<const T> usable(const py::handle& value, std::int64_t cols) {
  const auto& numpy = py::detail::npy_api::get();
  if (Py_TYPE(value.ptr()) != numpy.PyArray_Type_ || !py::isinstance<Array<T>>(value)) return {};
  const auto a = py::reinterpret_borrow<Array<T>>(value);
  if (!(a.flags() & py::detail::npy_api::NPY_ARRAY_ALIGNED_)) return {};
  if (a.ndim() < 1 || a.ndim() > 2 || a.shape(a.ndim() - 1) != cols) return {};
  const std::int64_t rows = a.ndim() == 2 ? a.shape(0) : 1;
  return rows > 0 ? MatrixView<const T>{a.data(), rows, cols, cols, 1} : MatrixView<const T>{};
}

// The same of (n, cols) with values that have been looked at: finite, or probabilities.
template <class T>
MatrixView<const T> checked(const py::handle& value, std::int64_t cols, bool probabilities) {
  const MatrixView<const T> m = usable<T>(value, cols);
  if (!m.data || py::reinterpret_borrow<py::array>(value).ndim() != 2) return {};
  const T high = probabilities ? T(1) : std::numeric_limits<T>::max();
  return all_within(m.data, m.rows * cols, probabilities ? T(0) : -high, high) ? m
                                                                               : MatrixView<const T>{};
}

// Is it a view of another object's memory, such as a network's?
bool is_view(const py::handle& array) { return bool(py::reinterpret_borrow<py::array>(array).base()); }

// A writable array on the core's memory; `owner` keeps that memory alive.
template <class T>
py::object expose(const MatrixView<T>& m, const py::object& owner) {
  const auto size = static_cast<py::ssize_t>(sizeof(T));
  return py::array_t<T>({m.rows, m.cols}, {m.row_stride * size, m.col_stride * size}, m.data, owner);
}

template <class T>
py::object expose(const WeightView<T>& w, const py::object& owner) {
  std::vector<py::ssize_t> stride;
  for (std::int64_t s : w.stride) stride.push_back(s * static_cast<py::ssize_t>(sizeof(T)));
  return py::array_t<T>(w.shape, stride, w.data, owner);
}

// The same for memory that outlives the network: OwnedMatrix or OwnedWeights.
template <class Owned>
py::object expose(const Owned& m) {
  using Owner = std::shared_ptr<void>;
  const py::capsule owner(new Owner(m.owner), [](void* p) { delete static_cast<Owner*>(p); });
  return expose(m.view, owner);
}

Poll signals() {
  return [] {
    if (gil_is_gone()) return true;
    const WithGil gil;
    return in_python([] { return PyErr_CheckSignals(); }) != 0;
  };
}

// f() without the GIL; an interruption becomes the Python exception that signals() left behind.
template <class F>
auto released(F&& f) {
  try {
    const WithoutGil without;
    return f();
  } catch (const Interrupted&) {
    throw py::error_already_set();
  }
}

// One (N, units) array per layer, and views of them.
template <class T>
struct PerLayer {
  py::list arrays;
  std::vector<MatrixView<T>> views;

  PerLayer(const Network<T>& net, std::int64_t n) {
    for (int l = 0; l < net.layers(); ++l) {
      Array<T> a({n, net.units(l)});
      views.push_back({a.mutable_data(), n, net.units(l), net.units(l), 1});
      arrays.append(std::move(a));
    }
  }
};

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

// A step in parts. Each call that takes arrays gives None or false for one that it can't use as it is.
template <class T>
void register_step(py::class_<Network<T>>& network) {
  using Net = Network<T>;
  network
      .def(
          "forward_step",
          [](Net& net, const py::handle& x) -> py::object {
            const MatrixView<const T> xv = usable<T>(x, net.inputs());
            if (!xv.data) return py::none();
            const std::int64_t n_out = net.units(net.layers() - 1);
            const bool one = py::reinterpret_borrow<py::array>(x).ndim() == 1;
            Array<T> out = one ? Array<T>(n_out) : Array<T>({xv.rows, n_out});
            const MatrixView<T> to{out.mutable_data(), xv.rows, n_out, n_out, 1};
            released([&] { net.forward_step(xv, to); });
            return std::move(out);
          },
          py::arg("x"))
      .def(
          "feedback_step",
          [](Net& net, const py::handle& e, const py::handle& target) {
            const std::int64_t n_out = net.units(net.layers() - 1);
            const MatrixView<const T> ev = usable<T>(e, n_out), tv = usable<T>(target, n_out);
            if (!ev.data || (!tv.data && !target.is_none())) return false;
            released([&] { net.feedback_step(ev, tv); });
            return true;
          },
          py::arg("e"), py::arg("target"))
      .def("update_step", &Net::update_step, py::call_guard<WithoutGil>(), py::arg("optimizer"))
      .def(
          "apply_error",
          [](Net& net, const py::handle& e, const Optimizer& optimizer, const py::handle& target) {
            const std::int64_t n_out = net.units(net.layers() - 1);
            const MatrixView<const T> ev = usable<T>(e, n_out), tv = usable<T>(target, n_out);
            if (!ev.data || (!tv.data && !target.is_none())) return false;
            released([&] { net.apply_error(ev, optimizer, tv); });
            return true;
          },
          py::arg("e"), py::arg("optimizer"), py::arg("target"))
      .def("step_examples", [](Net& net) { return released([&] { return net.step_state(); }).examples; })
      .def("step_state", [](Net& net) -> py::object {
        for (;;) {
          const StepState state = released([&] { return net.step_state(); });
          if (state.examples == 0) return py::none();
          PerLayer<T> h(net, state.examples), delta(net, state.has_deltas ? state.examples : 0);
          if (!state.has_deltas) delta.views.clear();
          try {
            released([&] { net.read_step(h.views, delta.views); });
          } catch (const std::logic_error&) {
            continue;  // between the two calls another thread dropped or replaced the pass
          }
          py::object deltas = py::none();
          if (state.has_deltas) deltas = delta.arrays;
          return py::make_tuple(h.arrays, deltas, state.updated);
        }
      });
}

// Calls with an array that is right as it is, which Python need not look at.
template <class T>
void register_as_it_is(py::class_<Network<T>>& network) {
  using Net = Network<T>;
  network
      .def(
          "usable",
          [](Net&, const py::handle& value, std::int64_t cols, bool probabilities) {
            return checked<T>(value, cols, probabilities).data != nullptr;
          },
          py::arg("value"), py::arg("cols"), py::arg("probabilities"))
      .def(
          "step",
          [](Net& net, const py::handle& x, const py::handle& y, const Optimizer& optimizer,
             bool probabilities) -> py::object {
            const auto xv = checked<T>(x, net.inputs(), false);
            if (!xv.data || is_view(x)) return py::none();
            const auto yv = checked<T>(y, net.units(net.layers() - 1), probabilities);
            if (yv.rows != xv.rows || is_view(y)) return py::none();
            thread_local std::vector<std::int64_t> order;  // 0 … n − 1
            for (auto i = static_cast<std::int64_t>(order.size()); i < xv.rows; ++i) order.push_back(i);
            return py::float_(released([&] {
                                return net.train_epoch(xv, yv, optimizer, xv.rows, order.data(), xv.rows,
                                                       signals());
                              }).loss);
          },
          py::arg("x"), py::arg("y"), py::arg("optimizer"), py::arg("probabilities"));
}

py::tuple as_tuple(const EpochResult& r) { return py::make_tuple(r.loss, r.missed, r.weight); }

// The weights of `rows` examples, or null for None.
template <class T>
const T* weights_of(const std::optional<Array<T>>& given, std::int64_t rows) {
  if (!given) return nullptr;
  if (given->ndim() != 1 || given->shape(0) != rows) {
    throw std::invalid_argument(
        "[fastfa] sample_weight must have one dimension and a value for each of " +
        std::to_string(rows) + " examples");
  }
  return given->data();
}

template <class T>
void register_class(py::module_& m, const char* name) {
  using Net = Network<T>;
  py::class_<Net> network(m, name);
  register_step<T>(network);
  register_as_it_is<T>(network);
  network
      .def(py::init([](std::int64_t inputs, const std::vector<LayerSpec>& layers,
                       const std::vector<FeedbackSpec>& feedback, const std::string& loss,
                       std::uint64_t seed, double perturbation, double input_dropout,
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
             const std::optional<std::vector<FeedbackSpec>>& feedback, double perturbation,
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
          py::arg("x"), py::arg("y"), py::arg("feedback"), py::arg("perturbation"),
          py::arg("sample_weight").noconvert() = py::none())
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

// (loss, missed, weight) of each network, or the exception that stopped it.
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
        py::list rows;
        for (std::size_t i = 0; i < nets.size(); ++i) {
          if (!done.stopped[i]) {
            rows.append(as_tuple(done.results[i]));
            continue;
          }
          try {
            std::rethrow_exception(done.stopped[i]);
          } catch (const DivergenceError& error) {
            rows.append(py::make_tuple(error.what(), error.layer(), error.step()));
          }
        }
        return rows;
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
  m.attr("MOST_WEIGHT") = most_weight;
}

}  // namespace fastfa

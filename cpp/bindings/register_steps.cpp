// Single steps and steps in parts, where the time of a call counts.
#include <limits>

#include "bindings/arrays.h"
#include "bindings/register.h"

namespace fastfa {
namespace {

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
  using Api = py::detail::npy_api;
  static PyObject* const native = py::dtype::of<T>().release().ptr();  // which nearly all arrays have
  if (Py_TYPE(value.ptr()) != Api::get().PyArray_Type_) return {};
  const auto a = py::reinterpret_borrow<Array<T>>(value);
  constexpr int needed = Api::NPY_ARRAY_ALIGNED_ | Api::NPY_ARRAY_C_CONTIGUOUS_;
  if ((a.flags() & needed) != needed) return {};
  if (py::detail::array_proxy(a.ptr())->descr != native && !py::isinstance<Array<T>>(value)) return {};
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

// A step in parts. Each call that takes arrays gives None or false for one that it can't use as it is.
template <class T>
void register_parts(py::class_<Network<T>>& network) {
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

}  // namespace

template <class T>
void register_steps(py::class_<Network<T>>& network) {
  register_parts<T>(network);
  register_as_it_is<T>(network);
}
template void register_steps(py::class_<Network<float>>&);
template void register_steps(py::class_<Network<double>>&);

}  // namespace fastfa

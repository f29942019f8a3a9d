// Arrays of NumPy on the core's memory, and calls of the core without the GIL.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "bindings/gil.h"
#include "fastfa/network.h"

namespace fastfa {

namespace py = pybind11;

template <class T>
using Array = py::array_t<T, py::array::c_style>;

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

inline Poll signals() {
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

}  // namespace fastfa

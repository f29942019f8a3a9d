// Matrices that the caller keeps in a device's memory, beside NumPy's in the host's.
#pragma once

#include <pybind11/numpy.h>

#include <cstdint>
#include <utility>

#include "fastfa/types.h"

namespace fastfa {

// What Python has checked: (rows, cols) numbers of the network's type, each row contiguous, at an
// address of the network's device. `owner` keeps it alive.
struct DeviceMatrix {
  std::uintptr_t pointer;
  std::int64_t rows, cols, row_stride;
  pybind11::object owner;
};

// An argument that is either: a NumPy array, C-contiguous and of two dimensions, or a DeviceMatrix.
template <class T>
struct Given {
  MatrixView<const T> view;
  bool on_device = false;
  pybind11::object owner;
};

}  // namespace fastfa

namespace pybind11::detail {

template <class T>
struct type_caster<fastfa::Given<T>> {
  PYBIND11_TYPE_CASTER(fastfa::Given<T>, const_name("matrix"));

  bool load(handle from, bool) {
    if (isinstance<fastfa::DeviceMatrix>(from)) {
      const auto& m = from.cast<const fastfa::DeviceMatrix&>();
      value.view = {reinterpret_cast<const T*>(m.pointer), m.rows, m.cols, m.row_stride, 1};
      value.on_device = true;
    } else {
      using Array = array_t<T, array::c_style>;
      if (!isinstance<Array>(from)) return false;
      const auto a = reinterpret_borrow<Array>(from);
      if (a.ndim() != 2) return false;
      value.view = {a.data(), a.shape(0), a.shape(1), a.shape(1), 1};
      value.on_device = false;
    }
    value.owner = reinterpret_borrow<object>(from);
    return true;
  }
};

}  // namespace pybind11::detail

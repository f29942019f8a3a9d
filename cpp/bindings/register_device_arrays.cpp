// DLPack, the exchange of arrays between libraries, as far as it concerns arrays of numbers: its structs
// are https://dmlc.github.io/dlpack/latest/c_api.html, unversioned.
#include "bindings/device_arrays.h"
#include "bindings/gil.h"
#include "bindings/register.h"

namespace py = pybind11;

namespace fastfa {
namespace {

struct DLDevice {
  std::int32_t type, id;
};
struct DLDataType {
  std::uint8_t code, bits;
  std::uint16_t lanes;
};
struct DLTensor {
  void* data;
  DLDevice device;
  std::int32_t ndim;
  DLDataType dtype;
  std::int64_t* shape;
  std::int64_t* strides;  // in elements; null: C-contiguous
  std::uint64_t byte_offset;
};
struct DLManagedTensor {
  DLTensor tensor;
  void* context;
  void (*deleter)(DLManagedTensor*);
};

constexpr const char* fresh = "dltensor";
constexpr const char* used = "used_dltensor";
constexpr const char kinds[] = {'i', 'u', 'f'};  // by DLDataType::code

// (pointer, shape, strides in elements or None, NumPy's name of the type, owner) of a fresh capsule,
// which is then used up. The name is empty for types that NumPy doesn't have.
py::tuple read_dlpack(const py::object& capsule) {
  auto* managed = static_cast<DLManagedTensor*>(PyCapsule_GetPointer(capsule.ptr(), fresh));
  if (!managed) throw py::error_already_set();
  const DLTensor& t = managed->tensor;
  py::tuple shape(t.ndim);
  for (int i = 0; i < t.ndim; ++i) shape[static_cast<std::size_t>(i)] = t.shape[i];
  py::object strides = py::none();
  if (t.strides) {
    py::tuple given(t.ndim);
    for (int i = 0; i < t.ndim; ++i) given[static_cast<std::size_t>(i)] = t.strides[i];
    strides = std::move(given);
  }
  const bool known = t.dtype.code < sizeof(kinds) && t.dtype.lanes == 1;
  const std::string type =
      known ? kinds[t.dtype.code] + std::to_string(t.dtype.bits / 8) : std::string();
  const auto pointer = reinterpret_cast<std::uintptr_t>(t.data) + t.byte_offset;
  PyCapsule_SetName(capsule.ptr(), used);
  py::capsule owner(managed, [](void* p) {
    auto* tensor = static_cast<DLManagedTensor*>(p);
    if (tensor->deleter) tensor->deleter(tensor);
  });
  return py::make_tuple(pointer, shape, strides, type, owner);
}

// What keeps an array alive that has gone out.
struct Sent {
  DLManagedTensor managed;
  py::object array;
  std::vector<std::int64_t> shape, strides;
};

// A capsule of an array that lies where CUDA device `id` reaches it.
py::capsule make_dlpack(const py::array& array, int id) {
  auto sent = std::make_unique<Sent>();
  sent->array = array;
  for (int i = 0; i < array.ndim(); ++i) {
    sent->shape.push_back(array.shape(i));
    sent->strides.push_back(array.strides(i) / array.itemsize());
  }
  const auto bits = static_cast<std::uint8_t>(8 * array.itemsize());
  constexpr std::int32_t cuda = 2;
  sent->managed.tensor = {const_cast<void*>(array.data()),
                          {cuda, id},
                          static_cast<std::int32_t>(array.ndim()),
                          {2, bits, 1},
                          sent->shape.data(),
                          sent->strides.data(),
                          0};
  sent->managed.context = sent.get();
  sent->managed.deleter = [](DLManagedTensor* tensor) {
    if (gil_is_gone()) return;  // left to the end of the process
    const WithGil gil;
    delete static_cast<Sent*>(tensor->context);
  };
  // Whoever takes it renames the capsule, and calls the deleter later.
  PyObject* capsule = PyCapsule_New(&sent->managed, fresh, [](PyObject* left) {
    if (!PyCapsule_IsValid(left, fresh)) return;
    auto* tensor = static_cast<DLManagedTensor*>(PyCapsule_GetPointer(left, fresh));
    tensor->deleter(tensor);
  });
  if (!capsule) throw py::error_already_set();
  static_cast<void>(sent.release());  // the capsule owns it now
  return py::reinterpret_steal<py::capsule>(capsule);
}

}  // namespace

void register_device_arrays(py::module_& m) {
  py::class_<DeviceMatrix>(m, "DeviceMatrix")
      .def(py::init([](std::uintptr_t pointer, std::int64_t rows, std::int64_t cols,
                       std::int64_t row_stride, py::object owner) {
             return DeviceMatrix{pointer, rows, cols, row_stride, std::move(owner)};
           }),
           py::arg("pointer"), py::arg("rows"), py::arg("cols"), py::arg("row_stride"), py::arg("owner"))
      .def_readonly("pointer", &DeviceMatrix::pointer)
      .def_readonly("row_stride", &DeviceMatrix::row_stride)
      .def_property_readonly("shape",
                             [](const DeviceMatrix& d) { return py::make_tuple(d.rows, d.cols); })
      .def("__len__", [](const DeviceMatrix& d) { return d.rows; });
  m.def("read_dlpack", &read_dlpack, py::arg("capsule"));
  m.def("make_dlpack", &make_dlpack, py::arg("array"), py::arg("id"));
}

}  // namespace fastfa

#include <exception>

#include "bindings/gil.h"
#include "bindings/register.h"
#include "fastfa/types.h"

namespace py = pybind11;

namespace fastfa {

static void raise(const py::object& type, const py::tuple& arguments) {
  PyObject* made = in_python([&] { return PyObject_CallObject(type.ptr(), arguments.ptr()); });
  if (!made) return;  // another exception is set
  PyErr_SetObject(type.ptr(), made);
  Py_DECREF(made);
}

// fastfa.errors defines the Python class, so that it is importable and documented there.
void register_errors(py::module_&) {
  py::register_exception_translator([](std::exception_ptr pointer) {
    try {
      if (pointer) std::rethrow_exception(pointer);
    } catch (const DivergenceError& error) {
      const py::object type = py::module_::import("fastfa.errors").attr("DivergenceError");
      raise(type, py::make_tuple(error.what(), error.layer(), error.step(), error.time()));
    } catch (const DeviceError& error) {
      const py::object type = py::module_::import("fastfa.errors").attr("DeviceError");
      raise(type, py::make_tuple(error.what()));
    } catch (const PythonError& error) {
      error.restore();
    }
  });
}

}  // namespace fastfa

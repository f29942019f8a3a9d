#include <exception>

#include "bindings/gil.h"
#include "bindings/register.h"
#include "fastfa/types.h"

namespace py = pybind11;

namespace fastfa {

// fastfa.errors defines the Python class, so that it is importable and documented there.
void register_errors(py::module_&) {
  py::register_exception_translator([](std::exception_ptr pointer) {
    try {
      if (pointer) std::rethrow_exception(pointer);
    } catch (const DivergenceError& error) {
      const py::object type = py::module_::import("fastfa.errors").attr("DivergenceError");
      PyErr_SetObject(type.ptr(), type(error.what(), error.layer(), error.step()).ptr());
    } catch (const DeviceError& error) {
      const py::object type = py::module_::import("fastfa.errors").attr("DeviceError");
      PyErr_SetObject(type.ptr(), type(error.what()).ptr());
    } catch (const PythonError& error) {
      error.restore();
    }
  });
}

}  // namespace fastfa

// Table of contents of fastfa._core.
#include "bindings/register.h"

PYBIND11_MODULE(_core, m) {
  m.doc() = "The compiled core of fastfa. Use the names of the fastfa package instead.";
  fastfa::register_errors(m);
  fastfa::register_runtime(m);
  fastfa::register_specs(m);
  fastfa::register_device_arrays(m);
  fastfa::register_network(m);
  fastfa::register_data(m);
}

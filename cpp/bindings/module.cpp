// Table of contents of fastfa._core.
#include "bindings/register.h"

// The module needs no GIL: each network has a lock, and data that networks share is constant or atomic.
PYBIND11_MODULE(_core, m, pybind11::mod_gil_not_used()) {
  m.doc() = "The compiled core of fastfa. Use the names of the fastfa package instead.";
  fastfa::register_errors(m);
  fastfa::register_runtime(m);
  fastfa::register_specs(m);
  fastfa::register_device_arrays(m);
  fastfa::register_network(m);
  fastfa::register_data(m);
}

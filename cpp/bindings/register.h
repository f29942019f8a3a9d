#pragma once

#include <pybind11/pybind11.h>

#include "fastfa/network.h"

#include "fastfa/optimizers.h"

// A class of its own to Python: pybind11 would try the alternatives one by one.
PYBIND11_MAKE_OPAQUE(fastfa::Optimizer)

namespace fastfa {

void register_device_arrays(pybind11::module_& m);
void register_errors(pybind11::module_& m);
void register_runtime(pybind11::module_& m);
void register_specs(pybind11::module_& m);
void register_network(pybind11::module_& m);
void register_data(pybind11::module_& m);
// Parts of register_network().
template <class T>
void register_steps(pybind11::class_<Network<T>>& network);
template <class T>
void register_sequences(pybind11::class_<Network<T>>& network);
template <class T>
void register_sequences_together(pybind11::module_& m);

}  // namespace fastfa

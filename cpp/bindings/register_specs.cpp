#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <optional>

#include "bindings/register.h"
#include "fastfa/names.h"

namespace py = pybind11;

namespace fastfa {

template <class E>
static py::tuple names() {
  py::list all;
  for (const char* each : Names<E>::list) all.append(each);
  return py::tuple(all);
}

void register_specs(py::module_& m) {
  m.attr("ACTIVATIONS") = names<Activation>();
  m.attr("LOSSES") = names<Loss>();
  m.attr("MATRICES") = names<Matrix>();
  m.attr("ROUTES") = names<Route>();
  m.attr("REDUCTIONS") = names<Reduction>();

  py::class_<DenseSpec>(m, "DenseSpec")
      .def(py::init([](std::int64_t units, const std::string& activation, double weight_scale, bool bias,
                       bool trainable) {
             return DenseSpec{units, parse<Activation>(activation), weight_scale, bias, trainable};
           }),
           py::kw_only(), py::arg("units"), py::arg("activation"), py::arg("weight_scale"),
           py::arg("bias"), py::arg("trainable"));

  using Array = py::array_t<double, py::array::c_style | py::array::forcecast>;
  py::class_<FeedbackSpec>(m, "FeedbackSpec")
      .def(py::init([](const std::string& matrix, const std::string& route, std::optional<double> scale,
                       double gain, const std::optional<Array>& array) {
             FeedbackSpec spec;
             spec.matrix = parse<Matrix>(matrix);
             spec.route = parse<Route>(route);
             spec.equal_error = !scale;
             spec.scale = scale.value_or(0.0);
             spec.gain = gain;
             if (array) {
               if (array->ndim() != 2) {
                 throw std::invalid_argument("[Feedback] array must have two dimensions");
               }
               spec.rows = array->shape(0);
               spec.cols = array->shape(1);
               spec.values.assign(array->data(), array->data() + array->size());
             }
             return spec;
           }),
           py::kw_only(), py::arg("matrix"), py::arg("route"), py::arg("scale"), py::arg("gain"),
           py::arg("array"));

  py::class_<Sgd>(m, "Sgd").def(
      py::init([](double lr, double momentum, double weight_decay, const std::string& reduction) {
        return Sgd{lr, momentum, weight_decay, parse<Reduction>(reduction)};
      }),
      py::kw_only(), py::arg("lr"), py::arg("momentum"), py::arg("weight_decay"), py::arg("reduction"));
}

}  // namespace fastfa

#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <array>
#include <memory>
#include <optional>

#include "bindings/gil.h"
#include "bindings/register.h"
#include "core/matrices/traits.h"
#include "fastfa/names.h"
#include "fastfa/network.h"

namespace py = pybind11;

namespace fastfa {

template <class E>
static py::list names() {
  py::list all;
  for (const char* each : Names<E>::list) all.append(each);
  return all;
}

using Array = py::array_t<double, py::array::c_style | py::array::forcecast>;
using Bits = py::array_t<bool, py::array::c_style | py::array::forcecast>;

// Asks the caller's function, with the GIL held, about a matrix (n, cols), which is copied for it;
// use(answer) takes what it returns. A Python exception goes through the core as a PythonError.
template <class Use>
static void ask(const py::function& function, const double* matrix, std::int64_t n, std::int64_t cols,
                Use&& use) {
  if (gil_is_gone()) throw Interrupted();
  const WithGil gil;
  try {
    const py::array_t<double> given({n, cols}, matrix);
    const auto answer = py::reinterpret_steal<py::object>(
        in_python([&] { return PyObject_CallOneArg(function.ptr(), given.ptr()); }));
    if (!answer) throw py::error_already_set();
    in_python([&] { use(answer); });
  } catch (py::error_already_set& error) {
    throw PythonError(std::move(error));
  }
}

// propagate(delta) of the caller's object.
static Propagator propagator(const py::function& propagate) {
  const std::shared_ptr<py::function> held = shared_with_core(py::function(propagate));
  return
      [held](const double* delta, std::int64_t n, std::int64_t n_source, double* out, std::int64_t n_l) {
        ask(*held, delta, n, n_source, [&](const py::object& answer) {
          const auto made = py::cast<Array>(answer);
          if (made.ndim() != 2 || made.shape(0) != n || made.shape(1) != n_l) {
            throw py::value_error("[Feedback] propagate(delta) returned an array of shape " +
                                  py::str(made.attr("shape")).cast<std::string>() + "; it must be (" +
                                  std::to_string(n) + ", " + std::to_string(n_l) + ")");
          }
          std::copy_n(made.data(), n * n_l, out);
        });
      };
}

// both(a) of the caller's activation: (σ(a), σ′(a)), whose shapes Python has checked.
static Activator activator(const py::function& both) {
  const std::shared_ptr<py::function> held = shared_with_core(py::function(both));
  return [held](const double* a, std::int64_t n, std::int64_t units, double* h, double* slope) {
    ask(*held, a, n, units, [&](const py::object& answer) {
      const auto made = py::cast<std::pair<Array, Array>>(answer);
      std::copy_n(made.first.data(), n * units, h);
      std::copy_n(made.second.data(), n * units, slope);
    });
  };
}

// A setting of an optimizer, from Python.
static void read(const py::handle& given, double& setting) { setting = given.cast<double>(); }
static void read(const py::handle& given, bool& setting) { setting = given.cast<bool>(); }
static void read(const py::handle& given, Reduction& setting) {
  setting = parse<Reduction>(given.cast<std::string>());
}

// What is known of every matrix, by name; but for `custom`, which has no name for users: they give an
// object.
static py::object matrices(py::module_& m) {
  py::class_<MatrixTraits>(m, "MatrixTraits")
      .def_property_readonly("scaled", [](const MatrixTraits& t) { return t.unit_variance != nullptr; })
      .def_readonly("density", &MatrixTraits::density)
      .def_readonly("learns", &MatrixTraits::learns)
      .def_readonly("follows_weights", &MatrixTraits::follows_weights)
      .def_readonly("reads_weights_before_forward", &MatrixTraits::reads_weights_before_forward)
      .def_readonly("runs_on_host", &MatrixTraits::runs_on_host)
      .def_readonly("stored_dense", &MatrixTraits::stored_dense)
      .def_readonly("of_pattern", &MatrixTraits::of_pattern);
  py::dict all;
  for (const char* each : Names<Matrix>::list) {
    const MatrixTraits& traits = traits_of(parse<Matrix>(each));
    if (!traits.is_code) all[each] = py::cast(traits);
  }
  return py::module_::import("types").attr("MappingProxyType")(all);
}

void register_specs(py::module_& m) {
  py::list activations = names<Activation>();
  activations.attr("remove")(name(Activation::custom));  // users give an object
  m.attr("ACTIVATIONS") = py::tuple(activations);
  py::dict others;
  for (const Alias& each : aliases) others[each.alias] = each.name;
  m.attr("ALIASES") = py::module_::import("types").attr("MappingProxyType")(others);
  m.attr("LEAKY_SLOPE") = LayerSpec{}.leaky_slope;
  m.attr("LOSSES") = py::tuple(names<Loss>());
  m.attr("MATRICES") = matrices(m);
  m.attr("ROUTES") = py::tuple(names<Route>());
  m.attr("PLASTICITIES") = py::tuple(names<Plasticity>());
  m.attr("NOISY_LAYERS") = py::tuple(names<NoisyLayers>());
  m.attr("NOISE_ON") = py::tuple(names<NoiseOn>());
  m.attr("MAGNITUDES") = py::tuple(names<Magnitude>());
  m.attr("RECURRENT_FEEDBACKS") = py::tuple(names<RecurrentFeedback>());
  m.attr("TIME_UPDATES") = py::tuple(names<TimeUpdate>());
  m.attr("REDUCTIONS") = py::tuple(names<Reduction>());

  py::class_<LocalSpec>(m, "LocalSpec")
      .def(py::init([](std::array<std::int64_t, 3> input, std::int64_t maps,
                       std::array<std::int64_t, 2> kernel, std::array<std::int64_t, 2> stride, bool same,
                       const std::string& patches) {
             return LocalSpec{input[0],  input[1],  input[2],  maps, kernel[0],
                              kernel[1], stride[0], stride[1], same, parse<Patches>(patches)};
           }),
           py::kw_only(), py::arg("input"), py::arg("maps"), py::arg("kernel"), py::arg("stride"),
           py::arg("same"), py::arg("patches"));
  py::class_<LayerSpec>(m, "LayerSpec")
      .def(py::init([](std::int64_t units, const std::string& activation, double weight_scale, bool bias,
                       bool trainable, double density, const std::optional<LocalSpec>& local,
                       double dropout, double leaky_slope, double lr_scale, double decay_scale,
                       double bias_lr_scale, double bias_decay_scale, double tau, double recurrent_scale,
                       const std::string& recurrent_feedback,
                       const std::optional<FeedbackSpec>& recurrent_matrix, std::int64_t input_delay,
                       const std::optional<Bits>& mask, const std::optional<py::function>& both) {
             return LayerSpec{units,
                              parse<Activation>(activation),
                              weight_scale,
                              bias,
                              trainable,
                              density,
                              local.value_or(LocalSpec{}),
                              dropout,
                              leaky_slope,
                              lr_scale,
                              decay_scale,
                              bias_lr_scale,
                              bias_decay_scale,
                              {tau, recurrent_scale, parse<RecurrentFeedback>(recurrent_feedback),
                               recurrent_matrix, input_delay},
                              mask ? std::vector<bool>(mask->data(), mask->data() + mask->size())
                                   : std::vector<bool>(),
                              both ? activator(*both) : Activator()};
           }),
           py::kw_only(), py::arg("units"), py::arg("activation"), py::arg("weight_scale"),
           py::arg("bias"), py::arg("trainable"), py::arg("density"), py::arg("local"),
           py::arg("dropout"), py::arg("leaky_slope"), py::arg("lr_scale") = 1.0,
           py::arg("decay_scale") = 1.0, py::arg("bias_lr_scale") = 1.0,
           py::arg("bias_decay_scale") = 0.0, py::arg("tau") = 0.0, py::arg("recurrent_scale") = 1.0,
           py::arg("recurrent_feedback") = "zero", py::arg("recurrent_matrix") = py::none(),
           py::arg("input_delay") = 0, py::arg("mask") = py::none(), py::arg("both") = py::none());

  py::class_<Perturbation>(m, "Perturbation")
      .def(py::init([](double sigma, const std::string& layers, const std::string& noise_on) {
             return Perturbation{sigma, parse<NoisyLayers>(layers), parse<NoiseOn>(noise_on)};
           }),
           py::kw_only(), py::arg("sigma") = 0.0, py::arg("layers") = "all",
           py::arg("noise_on") = "pre_activation")
      .def_readonly("sigma", &Perturbation::sigma);

  py::class_<FeedbackSpec>(m, "FeedbackSpec")
      .def(py::init([](const std::string& matrix, const std::string& route, std::optional<double> scale,
                       double gain, double growth, bool before_slope, const std::optional<Array>& array,
                       double density, std::int64_t rank, const std::string& magnitude,
                       std::int64_t refresh, const std::string& plasticity, double mirror_growth,
                       double mirror_decay, double mirror_noise, std::int64_t mirror_every,
                       bool mirror_centred, const std::optional<py::function>& custom, bool in_bf16) {
             FeedbackSpec spec;
             spec.matrix = parse<Matrix>(matrix);
             spec.route = parse<Route>(route);
             spec.equal_error = !scale;
             spec.scale = scale.value_or(0.0);
             spec.gain = gain;
             spec.growth = growth;
             spec.before_slope = before_slope;
             if (array) {
               if (array->ndim() != 2) {
                 throw std::invalid_argument("[Feedback] array must have two dimensions");
               }
               spec.rows = array->shape(0);
               spec.cols = array->shape(1);
               spec.values.assign(array->data(), array->data() + array->size());
             }
             spec.density = density;
             spec.rank = rank;
             spec.magnitude = parse<Magnitude>(magnitude);
             spec.refresh = refresh;
             spec.plasticity = parse<Plasticity>(plasticity);
             spec.mirror_growth = mirror_growth;
             spec.mirror_decay = mirror_decay;
             spec.mirror_noise = mirror_noise;
             spec.mirror_every = mirror_every;
             spec.mirror_centred = mirror_centred;
             if (custom) spec.propagator = propagator(*custom);
             spec.in_bf16 = in_bf16;
             return spec;
           }),
           py::kw_only(), py::arg("matrix"), py::arg("route"), py::arg("scale"), py::arg("gain"),
           py::arg("growth"), py::arg("before_slope"), py::arg("array"), py::arg("density"),
           py::arg("rank"), py::arg("magnitude"), py::arg("refresh"), py::arg("plasticity"),
           py::arg("mirror_growth"), py::arg("mirror_decay"), py::arg("mirror_noise"),
           py::arg("mirror_every"), py::arg("mirror_centred"), py::arg("custom"), py::arg("in_bf16"));

  py::class_<Optimizer>(m, "Optimizer")
      .def(py::init([](const std::string& kind, const py::kwargs& given) {
        Optimizer own = optimizer_named(kind.c_str());
        std::visit(
            [&](auto& o) {
              for_settings(o, [&](const char* name, auto& setting) { read(given[name], setting); });
            },
            own);
        return own;
      }));

  m.def(
      "feedback_array",
      [](const FeedbackSpec& spec, std::int64_t units, std::int64_t source, std::uint64_t seed,
         std::uint32_t layer) {
        if (units < 1 || source < 1) {
          throw std::invalid_argument("[toarray] units and source must be positive");
        }
        py::array_t<double> out({units, source});
        double* data = out.mutable_data();
        const WithoutGil released;
        feedback_array(spec, units, source, seed, layer, data);
        return out;
      },
      py::arg("spec"), py::arg("units"), py::arg("source"), py::arg("seed"), py::arg("layer"));
}

}  // namespace fastfa

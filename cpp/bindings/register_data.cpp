#include <pybind11/numpy.h>

#include "bindings/gil.h"
#include "bindings/register.h"
#include "fastfa/distort.h"

namespace py = pybind11;

namespace fastfa {
namespace {

// (N, C, H, W) → the same shape
template <class T>
py::array_t<T> distorted(const py::array_t<T, py::array::c_style>& x, const Distortion& how,
                         std::uint64_t seed, std::uint32_t epoch, std::int64_t first) {
  if (x.ndim() != 4) throw std::invalid_argument("[distort] x must have four dimensions");
  Distortion own = how;
  own.height = x.shape(2);
  own.width = x.shape(3);
  py::array_t<T> out({x.shape(0), x.shape(1), x.shape(2), x.shape(3)});
  T* const to = out.mutable_data();
  const WithoutGil released;
  distort(x.data(), to, x.shape(0), x.shape(1), first, own, seed, epoch);
  return out;
}

}  // namespace

void register_data(py::module_& m) {
  py::class_<Distortion>(m, "Distortion")
      .def(py::init([](double alpha, double sigma, double translate, double rotate, double scale,
                       double fill) {
             return Distortion{0, 0, alpha, sigma, translate, rotate, scale, fill};
           }),
           py::kw_only(), py::arg("alpha"), py::arg("sigma"), py::arg("translate"), py::arg("rotate"),
           py::arg("scale"), py::arg("fill"));
  m.def("distort", &distorted<float>, py::arg("x").noconvert(), py::arg("how"), py::arg("seed"),
        py::arg("epoch"), py::arg("first"));
  m.def("distort", &distorted<double>, py::arg("x").noconvert(), py::arg("how"), py::arg("seed"),
        py::arg("epoch"), py::arg("first"));
}

}  // namespace fastfa

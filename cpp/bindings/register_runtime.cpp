#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <array>

#include "bindings/gil.h"
#include "bindings/register.h"
#include "fastfa/philox.h"
#include "fastfa/runtime.h"

namespace py = pybind11;

namespace fastfa {

void register_runtime(py::module_& m) {
  m.attr("__version__") = version();
  m.def("set_num_threads", &set_num_threads, py::arg("n"));
  m.def("get_num_threads", &get_num_threads);
  m.def("build_info", [] {
    const BuildInfo info = build_info();
    py::dict d;
    d["version"] = version();
    d["isa"] = info.isa;
    d["isa_available"] = info.isa_available;
    d["threads"] = get_num_threads();
    d["bf16"] = info.bf16;
    d["bf16_available"] = info.bf16_available;
    d["eigen"] = info.eigen;
    d["compiler"] = info.compiler;
    d["cuda"] = info.cuda.empty() ? py::object(py::none()) : py::str(info.cuda);
    return d;
  });
  m.def(
      "permutation",
      [](std::int64_t n, std::uint64_t seed, std::uint32_t epoch) {
        if (n < 0) throw std::invalid_argument("[permutation] n was negative; it must be 0 or more");
        py::array_t<std::int64_t> out(n);
        std::int64_t* data = out.mutable_data();
        const WithoutGil released;
        permutation(data, n, seed, epoch);
        return out;
      },
      py::arg("n"), py::arg("seed"), py::arg("epoch"));
  m.def(
      "philox4x32",
      [](std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key) {
        const Philox4x32 p =
            philox4x32({{counter[0], counter[1], counter[2], counter[3]}}, key[0], key[1]);
        return py::make_tuple(p.word[0], p.word[1], p.word[2], p.word[3]);
      },
      py::arg("counter"), py::arg("key"));
}

}  // namespace fastfa

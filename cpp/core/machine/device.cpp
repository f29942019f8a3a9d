// Which backend a network gets. Device kernels are a library of their own, opened by the first network
// that asks for one: until then nothing has touched a driver.
#include <cstdlib>
#include <mutex>
#include <stdexcept>

#include "core/base/messages.h"
#include "core/machine/device_module.h"
#include "core/machine/fork.h"
#include "core/machine/library.h"
#include "fastfa/runtime.h"

namespace fastfa {
namespace {

[[noreturn]] void missing(const std::string& device, const std::string& why) {
  throw DeviceError("[Network] device '" + device + "' isn't to be had: " + why);
}

const DeviceModule& open_module(const std::string& device, const std::string& kind) {
  if (kind == "cuda" && std::string(FASTFA_CUDA).empty()) {
    missing(device,
            "this fastfa was built without CUDA; build it where nvcc (CUDA 12 or later) is found, "
            "or use device='cpu'");
  }
  std::string path;
#ifdef FASTFA_EMULATED
  // Developers may name another build of the emulated device, such as one with sanitizers.
  const char* other = kind == "cuda" ? nullptr : std::getenv("FASTFA_EMULATED_LIBRARY");
  if (other) path = other;
#else
  if (kind != "cuda") missing(device, "this fastfa was built without it; it is there for tests");
#endif
  try {
    if (path.empty()) path = library_path(kind == "cuda" ? "fastfa_cuda" : "fastfa_cuda_emulated");
    const auto* table = static_cast<const DeviceModule*>(open_library(path, "fastfa_device"));
    if (table->abi != device_abi)
      throw std::runtime_error(path + " belongs to another version of fastfa");
    return *table;
  } catch (const std::runtime_error& error) {
    missing(device, std::string("its library can't be loaded: ") + error.what());
  }
}

const DeviceModule& module_of(const std::string& device, const std::string& kind) {
  static const DeviceModule* tables[2] = {nullptr, nullptr};
  const std::lock_guard<std::mutex> lock(process_mutex());
  const DeviceModule*& table = tables[kind == "cuda"];
  if (!table) table = &open_module(device, kind);
  return *table;
}

template <class T>
Backend<T>* make(const DeviceModule& table, int ordinal);
template <>
Backend<float>* make<float>(const DeviceModule& table, int ordinal) {
  return table.make_f32(ordinal);
}
template <>
Backend<double>* make<double>(const DeviceModule& table, int ordinal) {
  return table.make_f64(ordinal);
}

}  // namespace

template <class T>
std::unique_ptr<Backend<T>> make_backend(const std::string& device) {
  if (device == "cpu") return make_cpu_backend<T>();
  const auto colon = device.find(':');
  const std::string kind = device.substr(0, colon);
  const std::string number = colon == std::string::npos ? "0" : device.substr(colon + 1);
  const bool known = kind == "cuda" || kind == "cuda-emulated";
  if (!known || number.empty() || number.size() > 3 ||
      number.find_first_not_of("0123456789") != std::string::npos) {
    refuse("[Network] device was '" + device + "'; it must be 'cpu', 'cuda' or 'cuda:<number>'");
  }
  const DeviceModule& table = module_of(device, kind);
  try {
    return std::unique_ptr<Backend<T>>(make<T>(table, std::stoi(number)));
  } catch (const std::runtime_error& error) {
    missing(device, error.what());
  }
}
template std::unique_ptr<Backend<float>> make_backend<float>(const std::string&);
template std::unique_ptr<Backend<double>> make_backend<double>(const std::string&);

}  // namespace fastfa

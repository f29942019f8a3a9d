#include "core/library.h"

#include <dlfcn.h>

#include <stdexcept>

namespace fastfa {

std::string library_folder() {
  Dl_info info{};
  static const char here = 0;
  if (dladdr(&here, &info) == 0 || !info.dli_fname) return ".";
  const std::string path = info.dli_fname;
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash);
}

const void* open_library(const std::string& path, const char* entry) {
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) throw std::runtime_error(dlerror());
  using Get = const void* (*)();
  const auto get = reinterpret_cast<Get>(dlsym(library, entry));
  if (!get) throw std::runtime_error(path + " has no " + entry);
  return get();
}

}  // namespace fastfa

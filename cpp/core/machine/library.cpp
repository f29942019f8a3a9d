#include "core/machine/library.h"

#include <dlfcn.h>

#include <climits>
#include <cstdlib>
#include <cstring>
#include <stdexcept>

namespace fastfa {

namespace {

// The loader may know this library by a relative path, which holds for the folder in which the process
// was then. So this is asked while the library is loaded.
std::string find_folder() {
  Dl_info info{};
  static const char here = 0;
  if (dladdr(&here, &info) == 0 || !info.dli_fname) return "";
  char path[PATH_MAX];  // given, since realpath's own fails under ThreadSanitizer
  if (!::realpath(info.dli_fname, path)) return "";
  return std::string(path, std::strrchr(path, '/'));
}

const std::string& folder = *new std::string(find_folder());

}  // namespace

std::string library_path(const std::string& name) {
  if (folder.empty()) throw std::runtime_error("the folder of libfastfa can't be found");
  return folder + "/" + name + ".so";
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

// Libraries that lie beside this one and are opened when they are needed.
#pragma once

#include <string>

namespace fastfa {

// Where this library lies, an absolute path. Throws std::runtime_error where that isn't known.
std::string library_folder();

// What the library's function `entry`, which takes no arguments, returns. Opened RTLD_LOCAL, so that no
// symbol of one library can stand in for another's. Throws std::runtime_error.
const void* open_library(const std::string& path, const char* entry);

}  // namespace fastfa

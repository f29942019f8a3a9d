// Libraries that lie beside this one and are opened when they are needed.
#pragma once

#include <string>

namespace fastfa {

// The path of the library `name` beside this one: absolute and, on Windows, in UTF-8. Throws
// std::runtime_error where this one's folder isn't known.
std::string library_path(const std::string& name);

// What the library's function `entry`, which takes no arguments, returns. No symbol of one library can
// stand in for another's: POSIX is asked for that by RTLD_LOCAL, on Windows it is so. Throws
// std::runtime_error.
const void* open_library(const std::string& path, const char* entry);

}  // namespace fastfa

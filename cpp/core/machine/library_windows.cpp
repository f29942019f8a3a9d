// Stands for library.cpp on Windows.
#include <windows.h>

#include <filesystem>
#include <stdexcept>
#include <system_error>

#include "core/machine/library.h"

namespace fastfa {
namespace {

[[noreturn]] void fail(const std::string& what) {
  const int why = static_cast<int>(GetLastError());
  throw std::runtime_error(what + ": " + std::system_category().message(why));
}

}  // namespace

std::string library_path(const std::string& name) {
  static const char here = 0;
  constexpr DWORD by_address =
      GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT;
  HMODULE self = nullptr;
  std::wstring path(32768, L'\0');  // no path is longer
  DWORD length = 0;
  if (GetModuleHandleExW(by_address, reinterpret_cast<const wchar_t*>(&here), &self)) {
    length = GetModuleFileNameW(self, path.data(), static_cast<DWORD>(path.size()));
  }
  if (length == 0) fail("the folder of libfastfa can't be found");
  path.resize(length);
  return (std::filesystem::path(path).parent_path() / (name + ".dll")).u8string();
}

const void* open_library(const std::string& path, const char* entry) {
  const std::filesystem::path wide = std::filesystem::u8path(path).make_preferred();
  // What that library needs is looked for beside it, and where the system is; not in the current folder.
  const HMODULE library = LoadLibraryExW(
      wide.c_str(), nullptr, LOAD_LIBRARY_SEARCH_DLL_LOAD_DIR | LOAD_LIBRARY_SEARCH_DEFAULT_DIRS);
  if (!library) fail(path);
  using Get = const void* (*)();
  const auto get = reinterpret_cast<Get>(reinterpret_cast<void*>(GetProcAddress(library, entry)));
  if (!get) throw std::runtime_error(path + " has no " + entry);
  return get();
}

}  // namespace fastfa

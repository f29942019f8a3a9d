// Stands for input_file.cpp on Windows. Paths are UTF-8.
#include <cerrno>
#include <filesystem>
#include <system_error>

#include "core/state/input_file.h"
#include "fastfa/types.h"

namespace fastfa {
namespace {

[[noreturn]] void fail(int why, const std::string& where) {
  throw std::system_error(why, std::generic_category(), where);
}

}  // namespace

InputFile::InputFile(const std::string& path) : where_("[load] '" + path + "'") {
  const std::filesystem::path at = std::filesystem::u8path(path);
  std::error_code none;
  const std::filesystem::file_status found = std::filesystem::status(at, none);
  if (is_directory(found)) fail(EISDIR, where_);
  if (exists(found) && !is_regular_file(found)) {
    throw FormatError(where_ + ": it is not a regular file");
  }
  file_.reset(_wfopen(at.c_str(), L"rb"));
  if (!file_ || _fseeki64(file_.get(), 0, SEEK_END) != 0) fail(errno, where_);
  size_ = static_cast<std::uint64_t>(_ftelli64(file_.get()));
  seek(0);
}

void InputFile::read(void* to, std::uint64_t bytes) {
  errno = 0;
  if (std::fread(to, 1, bytes, file_.get()) == bytes) return;
  if (errno != 0) fail(errno, where_);
  throw FormatError(where_ + ": it ends too early");
}

void InputFile::seek(std::uint64_t at) {
  if (_fseeki64(file_.get(), static_cast<std::int64_t>(at), SEEK_SET) != 0) fail(errno, where_);
}

}  // namespace fastfa

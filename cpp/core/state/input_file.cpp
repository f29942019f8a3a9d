#include "core/state/input_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "fastfa/types.h"

namespace fastfa {
namespace {

[[noreturn]] void fail(int why, const std::string& where) {
  throw std::system_error(why, std::generic_category(), where);
}

}  // namespace

InputFile::InputFile(const std::string& path) : where_("[load] '" + path + "'") {
  // Of a pipe or a device neither opening nor reading need ever end.
  const int file = ::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (file < 0) fail(errno, where_);
  struct stat found{};
  const bool known = ::fstat(file, &found) == 0;
  if (known && S_ISREG(found.st_mode)) file_.reset(::fdopen(file, "rb"));
  if (!file_) {
    const int why = errno;
    ::close(file);
    if (known && S_ISDIR(found.st_mode)) fail(EISDIR, where_);
    if (known && !S_ISREG(found.st_mode)) throw FormatError(where_ + ": it is not a regular file");
    fail(why, where_);
  }
  size_ = static_cast<std::uint64_t>(found.st_size);
}

void InputFile::read(void* to, std::uint64_t bytes) {
  errno = 0;
  if (std::fread(to, 1, bytes, file_.get()) == bytes) return;
  if (errno != 0) fail(errno, where_);
  throw FormatError(where_ + ": it ends too early");
}

void InputFile::seek(std::uint64_t at) {
  if (std::fseek(file_.get(), static_cast<long>(at), SEEK_SET) != 0) fail(errno, where_);
}

}  // namespace fastfa

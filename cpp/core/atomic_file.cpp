#include "core/atomic_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <filesystem>
#include <system_error>

namespace fastfa {
namespace {

// Through links, so that the file they lead to is replaced and not the link.
std::string resolved(const std::string& path) {
  std::filesystem::path at = path;
  for (int links = 0; links < 40; ++links) {
    std::error_code none;
    const std::filesystem::path to = std::filesystem::read_symlink(at, none);
    if (none) break;             // it is no link
    at = at.parent_path() / to;  // `to` alone where it is absolute
  }
  return at.string();
}

std::string folder_of(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

std::string neighbour(const std::string& path) {
  static std::atomic<unsigned> count{0};
  const auto slash = path.rfind('/');
  const std::size_t name = slash == std::string::npos ? 0 : slash + 1;
  return path.substr(0, name) + "." + path.substr(name) + "." + std::to_string(::getpid()) + "-" +
         std::to_string(count.fetch_add(1)) + ".tmp";
}

}  // namespace

AtomicFile::AtomicFile(const std::string& path) : target_(resolved(path)) {
  struct stat before{};
  const bool existed = ::stat(target_.c_str(), &before) == 0;
  if (existed && !S_ISREG(before.st_mode)) {
    errno = S_ISDIR(before.st_mode) ? EISDIR : EINVAL;
    fail("cannot put a file in the place of");
  }
  for (int tries = 0; file_ < 0; ++tries) {  // a killed process of the same number may have left one
    temporary_ = neighbour(target_);
    file_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (file_ < 0 && (errno != EEXIST || tries == 100)) fail("cannot create a file beside");
  }
  if (existed) static_cast<void>(::fchmod(file_, before.st_mode & 07777));  // as it was, if we may
}

AtomicFile::~AtomicFile() {
  if (file_ < 0) return;
  ::close(file_);
  ::unlink(temporary_.c_str());
}

void AtomicFile::write(const void* data, std::size_t bytes) {
  const char* at = static_cast<const char*>(data);
  while (bytes > 0) {
    const ssize_t done = ::write(file_, at, std::min(bytes, std::size_t{1} << 30));
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) fail("cannot write");
    at += done;
    bytes -= static_cast<std::size_t>(done);
  }
}

void AtomicFile::publish() {
  if (::fsync(file_) != 0) fail("cannot sync");
  if (::rename(temporary_.c_str(), target_.c_str()) != 0) fail("cannot rename to");
  ::close(file_);
  file_ = -1;
  // The rename itself lives in the folder; not every system lets a folder be synced.
  const int folder = ::open(folder_of(target_).c_str(), O_RDONLY | O_CLOEXEC);
  if (folder < 0) return;
  static_cast<void>(::fsync(folder));
  ::close(folder);
}

void AtomicFile::fail(const char* what) const {
  throw std::system_error(errno, std::generic_category(),
                          std::string("[save] ") + what + " '" + target_ + "'");
}

}  // namespace fastfa

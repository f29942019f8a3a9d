#include "core/state/atomic_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <random>
#include <regex>
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

// ".name." of "folder/name", with which its temporary neighbours begin.
std::string neighbours_of(const std::string& path) {
  return "." + path.substr(path.rfind('/') + 1) + ".";  // npos + 1 is 0
}

std::string neighbour(const std::string& path) {
  std::random_device draw;
  char name[9];
  std::snprintf(name, sizeof name, "%08x", draw());
  return path.substr(0, path.rfind('/') + 1) + neighbours_of(path) + name + ".tmp";
}

// Whether `name` is one of those, written by this code or by python/fastfa/atomic.py: 8 hexadecimal
// digits (before: a process and a count) between the beginning and the end.
bool is_neighbour(const std::string& name, const std::string& beginning) {
  static const std::regex rest("([0-9a-f]{8}|[0-9]+-[0-9]+)\\.tmp");
  return name.compare(0, beginning.size(), beginning) == 0 &&
         std::regex_match(name.substr(beginning.size()), rest);
}

void remove_unlocked(const std::string& path) {
  constexpr int safe = O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK;
  int file = ::open(path.c_str(), O_RDWR | safe);
  // It has the mode of the file that it was to replace.
  if (file < 0 && errno == EACCES) file = ::open(path.c_str(), O_RDONLY | safe);
  if (file < 0) return;
  struct stat found{};
  if (::fstat(file, &found) == 0 && S_ISREG(found.st_mode) && ::flock(file, LOCK_EX | LOCK_NB) == 0)
    static_cast<void>(::unlink(path.c_str()));
  ::close(file);
}

// Until it is on the disk. On macOS fsync() ends when the drive has it, in memory of its own.
bool synced(int file) {
#if defined(F_FULLFSYNC)
  if (::fcntl(file, F_FULLFSYNC) == 0) return true;  // not every file system knows it
#endif
  return ::fsync(file) == 0;
}

// Removes what killed writers of `target` left beside it: neighbours that nobody has locked. It is no
// error if one of them can't be opened or removed.
void remove_abandoned(const std::string& target) {
  const std::string beginning = neighbours_of(target), folder = folder_of(target);
  std::error_code none;
  std::filesystem::directory_iterator at(folder, none);
  for (; !none && at != std::filesystem::directory_iterator(); at.increment(none)) {
    if (is_neighbour(at->path().filename().string(), beginning)) remove_unlocked(at->path().string());
  }
}

}  // namespace

AtomicFile::AtomicFile(const std::string& path) : target_(resolved(path)) {
  struct stat before{};
  const bool existed = ::stat(target_.c_str(), &before) == 0;
  if (existed && !S_ISREG(before.st_mode)) {
    errno = S_ISDIR(before.st_mode) ? EISDIR : EINVAL;
    fail("cannot put a file in the place of");
  }
  remove_abandoned(target_);
  for (int tries = 0; file_ < 0; ++tries) {
    temporary_ = neighbour(target_);
    file_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (file_ < 0 && (errno != EEXIST || tries == 100)) fail("cannot create a file beside");
    if (file_ < 0) continue;
    // Locked for as long as it is open, so that others see that it is in use. In the moment before,
    // somebody may have taken it for abandoned.
    static_cast<void>(::flock(file_, LOCK_EX));
    if (::access(temporary_.c_str(), F_OK) == 0 || tries == 100) break;
    ::close(file_);
    file_ = -1;
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
  if (!synced(file_)) fail("cannot sync");
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

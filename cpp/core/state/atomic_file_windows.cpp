// Stands for atomic_file.cpp on Windows. Paths are UTF-8. While a file is open here, the system lets
// nobody else open or remove it: that is the lock.
#include <windows.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <random>
#include <regex>
#include <system_error>
#include <vector>

#include "core/state/atomic_file.h"

namespace fastfa {
namespace {

namespace fs = std::filesystem;

// Through links, so that the file they lead to is replaced and not the link.
fs::path resolved(const std::string& path) {
  std::error_code none;
  fs::path at = fs::absolute(fs::u8path(path), none);
  for (int links = 0; links < 40; ++links) {
    const fs::path to = fs::read_symlink(at, none);
    if (none) break;             // it is no link
    at = at.parent_path() / to;  // `to` alone where it is absolute
  }
  return at.make_preferred();
}

std::wstring neighbours_of(const fs::path& target) { return L"." + target.filename().wstring() + L"."; }

fs::path neighbour(const fs::path& target) {
  std::random_device draw;
  char name[13];
  std::snprintf(name, sizeof name, "%08x.tmp", draw());
  return target.parent_path() / (fs::path(neighbours_of(target)) += name);
}

// Removes what killed writers of `target` left beside it; the system refuses that while a writer lives.
void remove_abandoned(const fs::path& target) {
  static const std::wregex rest(L"[0-9a-f]{8}\\.tmp");
  const std::wstring beginning = neighbours_of(target);
  std::error_code none;
  fs::directory_iterator at(target.parent_path(), none);
  for (; !none && at != fs::directory_iterator(); at.increment(none)) {
    const std::wstring name = at->path().filename().wstring();
    if (name.compare(0, beginning.size(), beginning) == 0 &&
        std::regex_match(name.substr(beginning.size()), rest)) {
      DeleteFileW(at->path().c_str());
    }
  }
}

}  // namespace

AtomicFile::AtomicFile(const std::string& path) : target_(resolved(path).u8string()) {
  const fs::path target = fs::u8path(target_);
  std::error_code none;
  const fs::file_status before = fs::status(target, none);
  if (exists(before) && !is_regular_file(before)) {
    const auto why = is_directory(before) ? std::errc::is_a_directory : std::errc::invalid_argument;
    throw std::system_error(make_error_code(why),
                            "[save] cannot put a file in the place of '" + target_ + "'");
  }
  remove_abandoned(target);
  for (int tries = 0; !file_; ++tries) {
    const fs::path temporary = neighbour(target);
    // DELETE is the right to rename it.
    const HANDLE file = CreateFileW(temporary.c_str(), GENERIC_WRITE | DELETE, 0, nullptr, CREATE_NEW,
                                    FILE_ATTRIBUTE_NORMAL, nullptr);
    if (file != INVALID_HANDLE_VALUE) {
      file_ = file;
      temporary_ = temporary.u8string();
    } else if (GetLastError() != ERROR_FILE_EXISTS || tries == 100) {
      fail("cannot create a file beside");
    }
  }
}

AtomicFile::~AtomicFile() {
  if (!file_) return;
  CloseHandle(file_);
  DeleteFileW(fs::u8path(temporary_).c_str());
}

void AtomicFile::write(const void* data, std::size_t bytes) {
  const char* at = static_cast<const char*>(data);
  while (bytes > 0) {
    const auto part = static_cast<DWORD>(std::min(bytes, std::size_t{1} << 30));
    DWORD done = 0;
    if (!WriteFile(file_, at, part, &done, nullptr)) fail("cannot write");
    at += done;
    bytes -= done;
  }
}

// Renamed while it is open, so that no other writer can take it for abandoned.
void AtomicFile::publish() {
  if (!FlushFileBuffers(file_)) fail("cannot sync");
  const std::wstring name = fs::u8path(target_).wstring();
  const std::size_t bytes = name.size() * sizeof(wchar_t);
  std::vector<char> request(sizeof(FILE_RENAME_INFO) + bytes);
  auto* to = reinterpret_cast<FILE_RENAME_INFO*>(request.data());
  to->ReplaceIfExists = TRUE;
  to->FileNameLength = static_cast<DWORD>(bytes);
  std::memcpy(to->FileName, name.data(), bytes);
  if (!SetFileInformationByHandle(file_, FileRenameInfo, to, static_cast<DWORD>(request.size()))) {
    fail("cannot rename to");
  }
  CloseHandle(file_);
  file_ = nullptr;
}

void AtomicFile::fail(const char* what) const {
  throw std::system_error(static_cast<int>(GetLastError()), std::system_category(),
                          std::string("[save] ") + what + " '" + target_ + "'");
}

}  // namespace fastfa

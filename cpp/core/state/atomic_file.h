// A file that appears whole or not at all: written to a temporary neighbour, synced, renamed.
#pragma once

#include <cstddef>
#include <string>

namespace fastfa {

class AtomicFile {
 public:
  explicit AtomicFile(const std::string& path);  // throws std::system_error, as the others do
  ~AtomicFile();                                 // without publish(): nothing has happened
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(const void* data, std::size_t bytes);
  void publish();

 private:
  [[noreturn]] void fail(const char* what) const;

  std::string target_, temporary_;
#if defined(_WIN32)
  void* file_ = nullptr;
#else
  int file_ = -1;
#endif
};

}  // namespace fastfa

// A file to be read from any place in it. What isn't a regular file is refused.
#pragma once

#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>

namespace fastfa {

class InputFile {
 public:
  // Throws std::system_error, as the others do, or FormatError.
  explicit InputFile(const std::string& path);
  void read(void* to, std::uint64_t bytes);
  void seek(std::uint64_t at);
  std::uint64_t size() const { return size_; }
  const std::string& where() const { return where_; }

 private:
  struct Close {
    void operator()(std::FILE* f) const { std::fclose(f); }
  };
  std::unique_ptr<std::FILE, Close> file_;
  std::string where_;
  std::uint64_t size_ = 0;
};

}  // namespace fastfa

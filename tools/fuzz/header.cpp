// libFuzzer: the header of a safetensors file. Two bytes say how much data follows it, the rest is its
// JSON.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "common.h"
#include "core/state/safetensors.h"
#include "fastfa/types.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return -1;
  const fuzz::Within limit(1.0);
  const std::uint64_t bytes = data[0] | std::uint64_t{data[1]} << 8;
  try {
    const auto header = fastfa::parse_tensor_header({data + 2, data + size}, bytes, "[load] 'x'");
    std::uint64_t filled = 0;  // what is taken fills the file exactly
    for (const auto& [name, entry] : header) {
      if (entry.begin > entry.end || entry.end > bytes) std::abort();
      filled += entry.end - entry.begin;
      for (std::int64_t n : entry.shape) {
        if (n < 0) std::abort();
      }
    }
    if (filled != bytes) std::abort();
  } catch (const fastfa::FormatError& error) {
    fuzz::check_plain(error.what());
    if (std::string(error.what()).rfind("[load] 'x': ", 0) != 0) std::abort();
  }
  return 0;
}

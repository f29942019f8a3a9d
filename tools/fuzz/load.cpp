// libFuzzer: fastfa_load. The first byte chooses the network and whether what follows is the whole file,
// or two bytes with the length of the header, the header and the data: so that mutations needn't find
// the length.
#include <sys/mman.h>
#include <unistd.h>

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "common.h"

namespace {

const std::vector<fastfa_network*>& networks() {
  static const auto* made = new std::vector<fastfa_network*>{fuzz::small(FASTFA_FLOAT32, false),
                                                             fuzz::small(FASTFA_FLOAT64, false),
                                                             fuzz::small(FASTFA_FLOAT32, true)};
  return *made;
}

void put(int file, const void* data, std::size_t bytes) {
  if (::write(file, data, bytes) != static_cast<ssize_t>(bytes)) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const int file = ::memfd_create("fuzz", 0);
  static const std::string path = "/proc/self/fd/" + std::to_string(file);
  if (size < 3) return -1;
  const fuzz::Within limit(1.0);
  fastfa_network* net = networks()[data[0] % networks().size()];
  if (::ftruncate(file, 0) != 0 || ::lseek(file, 0, SEEK_SET) != 0) std::abort();
  if (data[0] & 0x80) {
    put(file, data + 1, size - 1);
  } else {
    std::uint64_t length = data[1] | std::uint64_t{data[2]} << 8;
    if (length > size - 3) length = size - 3;
    put(file, &length, sizeof length);
    put(file, data + 3, size - 3);
  }
  const std::string before = fuzz::state(net);
  const fastfa_status status = fastfa_load(net, path.c_str());
  const std::string after = fuzz::state(net);
  if (status == FASTFA_OK) {
    fuzz::check_finite(net);
  } else if (status != FASTFA_BAD_FILE || before != after) {
    std::abort();
  } else {
    fuzz::check_plain(fastfa_last_error());
  }
  return 0;
}

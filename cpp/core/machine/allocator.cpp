#include "core/machine/allocator.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <new>
#include <string>

#include "core/base/sizes.h"

#if defined(__linux__)
#include <sys/mman.h>
#elif defined(_WIN32)
#include <malloc.h>
#endif

namespace fastfa {
namespace {

// What `key` of a file of "key number" lines says, or a line of a number alone; else as much as can be.
double number_in(const char* path, const std::string& key, double unit) {
  std::ifstream file(path);
  std::string word;
  while (file >> word) {
    if (!key.empty() && word != key) continue;
    double number = 0;
    if (!key.empty() && !(file >> number)) break;
    if (!key.empty()) return unit * number;
    return word.find_first_not_of("0123456789") == std::string::npos ? unit * std::stod(word) : 1e300;
  }
  return 1e300;
}

// Bytes that this process can still get. Linux grants more memory than there is, and kills a process
// that then uses it.
double bytes_left() {
  const double free = number_in("/proc/meminfo", "MemAvailable:", 1024),
               swap = number_in("/proc/meminfo", "SwapFree:", 1024);
  const double most = number_in("/sys/fs/cgroup/memory.max", "", 1),
               used = number_in("/sys/fs/cgroup/memory.stat", "anon", 1);
  return std::min(free + swap, used < most ? most - used : 1e300);
}

#if defined(_WIN32)
void* aligned(std::size_t align, std::size_t bytes) { return _aligned_malloc(bytes, align); }
void release(void* memory) { _aligned_free(memory); }
#else
void* aligned(std::size_t align, std::size_t bytes) { return std::aligned_alloc(align, bytes); }
void release(void* memory) { std::free(memory); }
#endif

class HostAllocator final : public Allocator {
 public:
  std::shared_ptr<void> allocate(std::size_t bytes) override {
    constexpr std::size_t much = std::size_t{1} << 26;  // smaller requests are not checked
    const auto too_much = [bytes] {
      return NoMemory("[fastfa] something took " + std::to_string(bytes) +
                      " bytes; there is not so much memory");
    };
    if (bytes >= much && static_cast<double>(bytes) > bytes_left()) throw too_much();
    const std::size_t page = std::size_t{1} << 21;
    const std::size_t align = bytes >= page ? page : 64;
    bytes = (bytes + align - 1) / align * align;
    std::shared_ptr<void> memory(aligned(align, bytes ? bytes : align), release);
    if (!memory) throw too_much();
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    if (align == page) madvise(memory.get(), bytes, MADV_HUGEPAGE);  // fewer TLB misses; may be refused
#endif
    std::memset(memory.get(), 0, bytes);
    return memory;
  }
};

}  // namespace

Allocator& host_allocator() {
  static HostAllocator host;
  return host;
}

}  // namespace fastfa

#include "core/place.h"

#include <cstdlib>
#include <cstring>
#include <new>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace fastfa {
namespace {

class Host final : public Place {
 public:
  std::shared_ptr<void> allocate(std::size_t bytes) override {
    const std::size_t page = std::size_t{1} << 21;
    const std::size_t align = bytes >= page ? page : 64;
    bytes = (bytes + align - 1) / align * align;
    std::shared_ptr<void> memory(std::aligned_alloc(align, bytes ? bytes : align), std::free);
    if (!memory) throw std::bad_alloc();
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    if (align == page) madvise(memory.get(), bytes, MADV_HUGEPAGE);  // fewer TLB misses; may be refused
#endif
    std::memset(memory.get(), 0, bytes);
    return memory;
  }
};

}  // namespace

Place& host() {
  static Host place;
  return place;
}

}  // namespace fastfa

// Zeroed, 64-byte aligned memory with rows padded to whole cache lines.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include "kernels/ops.h"

namespace fastfa {

// Row stride for `cols` columns: a multiple of 16 elements, and not one of 1 KiB, since rows that far
// apart fall into few cache sets.
template <class T>
inline Index padded(Index cols) {
  Index ld = (cols + 15) / 16 * 16;
  if (ld * Index{sizeof(T)} >= 1024 && ld * Index{sizeof(T)} % 1024 == 0) ld += 16;
  return ld;
}

template <class T>
class Buffer {
 public:
  Buffer() = default;
  Buffer(Index rows, Index cols) : rows_(rows), cols_(cols), ld_(padded<T>(cols)) {
    const std::size_t page = std::size_t{1} << 21;
    std::size_t bytes = static_cast<std::size_t>(rows * ld_) * sizeof(T);
    const std::size_t align = bytes >= page ? page : 64;
    bytes = (bytes + align - 1) / align * align;
    data_ =
        std::shared_ptr<T>(static_cast<T*>(std::aligned_alloc(align, bytes ? bytes : align)), std::free);
    if (!data_) throw std::bad_alloc();
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    if (align == page) madvise(data_.get(), bytes, MADV_HUGEPAGE);  // fewer TLB misses; may be refused
#endif
    std::memset(data_.get(), 0, bytes);
  }

  T* data() const { return data_.get(); }
  T* row(Index r) const { return data_.get() + r * ld_; }
  Index rows() const { return rows_; }
  Index cols() const { return cols_; }
  Index ld() const { return ld_; }
  Index bytes() const { return rows_ * ld_ * Index{sizeof(T)}; }
  explicit operator bool() const { return data_ != nullptr; }
  std::shared_ptr<void> owner() const { return data_; }

 private:
  std::shared_ptr<T> data_;
  Index rows_ = 0, cols_ = 0, ld_ = 0;
};

}  // namespace fastfa

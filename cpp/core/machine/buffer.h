// Zeroed, 64-byte aligned memory with rows padded to whole cache lines.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <new>
#include <vector>

#include "core/base/sizes.h"
#include "core/machine/allocator.h"
#include "kernels/ops.h"

namespace fastfa {

// Row stride for `cols` columns: a multiple of 16 elements, and not one of 1 KiB, since rows that far
// apart fall into few cache sets.
template <class T>
inline Index padded(Index cols) {
  if (cols > most_numbers) throw std::bad_alloc();
  Index ld = (cols + 15) / 16 * 16;
  if (ld * Index{sizeof(T)} >= 1024 && ld * Index{sizeof(T)} % 1024 == 0) ld += 16;
  return ld;
}

template <class T>
class Buffer {
 public:
  Buffer() = default;
  Buffer(Allocator& allocator, Index rows, Index cols) : rows_(rows), cols_(cols), ld_(padded<T>(cols)) {
    if (size_product_or_less({rows, ld_}) < 0) throw NoMemory("[fastfa] there is no such memory");
    const std::shared_ptr<void> memory =
        allocator.allocate(static_cast<std::size_t>(rows * ld_) * sizeof(T));
    data_ = std::shared_ptr<T>(memory, static_cast<T*>(memory.get()));
  }
  // One row with these values.
  Buffer(Allocator& allocator, const std::vector<T>& values)
      : Buffer(allocator, 1, static_cast<Index>(values.size())) {
    std::copy(values.begin(), values.end(), data());
  }

  T* data() const { return data_.get(); }
  T* row(Index r) const { return data_.get() + r * ld_; }
  View<T> from(Index r, Index c = 0) const { return {row(r) + c, ld_}; }  // what begins at this element
  operator View<T>() const { return from(0); }
  operator View<const T>() const { return from(0); }
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

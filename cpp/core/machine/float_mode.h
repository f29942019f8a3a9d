// Subnormal numbers count as zero while the core computes. The deltas of saturated logistic units fade
// to 1e-40, and each product with one would cost over a hundred cycles, for nothing that matters.
//
// The mode belongs to a thread: workers have it for good, a caller only during the call, so that nobody
// else's arithmetic is changed.
#pragma once

#include <cstdint>

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace fastfa {

// Sets this thread's mode while it lives.
class FloatMode {
 public:
  FloatMode(const FloatMode&) = delete;
  FloatMode& operator=(const FloatMode&) = delete;

 protected:
#if defined(__x86_64__)
  explicit FloatMode(bool flush) : before_(_mm_getcsr()) {
    _mm_setcsr(flush ? before_ | flush_bits : before_ & ~flush_bits);
  }
  ~FloatMode() { _mm_setcsr(before_); }

 private:
  static constexpr unsigned flush_bits = 0x8040;  // FTZ and DAZ
  unsigned before_;
#elif defined(__aarch64__)
  explicit FloatMode(bool flush) {
    asm volatile("mrs %0, fpcr" : "=r"(before_));
    asm volatile("msr fpcr, %0" ::"r"(flush ? before_ | flush_bits : before_ & ~flush_bits));
  }
  ~FloatMode() { asm volatile("msr fpcr, %0" ::"r"(before_)); }

 private:
  static constexpr std::uint64_t flush_bits = std::uint64_t{1} << 24;  // FZ
  std::uint64_t before_ = 0;
#else
  explicit FloatMode(bool) {}
  ~FloatMode() {}
#endif
};

struct FlushSubnormals : FloatMode {
  FlushSubnormals() : FloatMode(true) {}
};

// The caller's own arithmetic for a while, in code of his that the core calls.
struct KeepSubnormals : FloatMode {
  KeepSubnormals() : FloatMode(false) {}
};

}  // namespace fastfa

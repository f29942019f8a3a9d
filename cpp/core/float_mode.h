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

class FlushSubnormals {
 public:
#if defined(__x86_64__)
  FlushSubnormals() : before_(_mm_getcsr()) { _mm_setcsr(before_ | 0x8040); }  // FTZ and DAZ
  ~FlushSubnormals() { _mm_setcsr(before_); }
#elif defined(__aarch64__)
  FlushSubnormals() {
    asm volatile("mrs %0, fpcr" : "=r"(before_));
    asm volatile("msr fpcr, %0" ::"r"(before_ | (std::uint64_t{1} << 24)));  // FZ
  }
  ~FlushSubnormals() { asm volatile("msr fpcr, %0" ::"r"(before_)); }
#else
  FlushSubnormals() : before_(0) {}
  ~FlushSubnormals() { static_cast<void>(before_); }
#endif
  FlushSubnormals(const FlushSubnormals&) = delete;
  FlushSubnormals& operator=(const FlushSubnormals&) = delete;

 private:
#if defined(__x86_64__)
  unsigned before_;
#else
  std::uint64_t before_;
#endif
};

// The caller's own arithmetic for a while, in code of his that the core calls.
class KeepSubnormals {
 public:
#if defined(__x86_64__)
  KeepSubnormals() : before_(_mm_getcsr()) { _mm_setcsr(before_ & ~0x8040u); }
  ~KeepSubnormals() { _mm_setcsr(before_); }
#elif defined(__aarch64__)
  KeepSubnormals() {
    asm volatile("mrs %0, fpcr" : "=r"(before_));
    asm volatile("msr fpcr, %0" ::"r"(before_ & ~(std::uint64_t{1} << 24)));
  }
  ~KeepSubnormals() { asm volatile("msr fpcr, %0" ::"r"(before_)); }
#else
  KeepSubnormals() : before_(0) {}
  ~KeepSubnormals() { static_cast<void>(before_); }
#endif
  KeepSubnormals(const KeepSubnormals&) = delete;
  KeepSubnormals& operator=(const KeepSubnormals&) = delete;

 private:
#if defined(__x86_64__)
  unsigned before_;
#else
  std::uint64_t before_;
#endif
};

}  // namespace fastfa

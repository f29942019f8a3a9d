// Run-time dispatch. Each level is a shared object of its own beside this library, opened RTLD_LOCAL
// after the processor was asked, so that no symbol of one level can stand in for another's: templates
// of Eigen or the standard library compiled with different -m flags must never be linked together.
#include "core/machine/isa.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/machine/fork.h"
#include "core/machine/library.h"
#include "fastfa/runtime.h"

#if defined(__x86_64__)
#include <cpuid.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif
#endif

namespace fastfa {
namespace {

// Built levels, best first (FASTFA_LEVELS comes from the build, e.g. "v4", "v3", "v2").
const std::vector<std::string> built = {FASTFA_LEVELS};

#if defined(__x86_64__)
unsigned cpuid_ecx(unsigned leaf) {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid(leaf, &a, &b, &c, &d) ? c : 0;
}
#endif

// A level needs all that -march= lets the compiler use (the x86-64 psABI's list), for virtual machines
// can hide any single feature. The builtin also asks whether the system saves the wide registers.
// GCC 10's doesn't know all names, so the others are asked of the processor itself.
bool processor_has(const std::string& level) {
  if (level == "portable") return true;
#if defined(__x86_64__)
  __builtin_cpu_init();
  const unsigned basic = cpuid_ecx(1), extended = cpuid_ecx(0x80000001);
  const bool v2 = __builtin_cpu_supports("sse3") && __builtin_cpu_supports("ssse3") &&
                  __builtin_cpu_supports("sse4.1") && __builtin_cpu_supports("sse4.2") &&
                  __builtin_cpu_supports("popcnt") && (basic & bit_CMPXCHG16B) &&
                  (extended & bit_LAHF_LM);
  const bool v3 = v2 && __builtin_cpu_supports("avx") && __builtin_cpu_supports("avx2") &&
                  __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi") &&
                  __builtin_cpu_supports("bmi2") && (basic & bit_F16C) && (basic & bit_MOVBE) &&
                  (extended & bit_LZCNT);
  const bool v4 = v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                  __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
                  __builtin_cpu_supports("avx512vl");
  return level == "v2" ? v2 : level == "v3" ? v3 : level == "v4" ? v4 : false;
#else
  return false;
#endif
}

// The ways of KernelTable::bf16.
bool processor_has_bf16(const std::string& way) {
  if (way == "emulated") return true;
#if defined(__x86_64__)
  unsigned a = 0, b = 0, c = 0, d = 0;
  constexpr unsigned avx512_bf16 = 1u << 5;  // of eax, leaf 7, part 1
  if (!__get_cpuid_count(7, 1, &a, &b, &c, &d) || (a & avx512_bf16) == 0) return false;
  if (way == "avx512_bf16") return true;
#if defined(__linux__)
  __get_cpuid_count(7, 0, &a, &b, &c, &d);
  constexpr unsigned amx = 1u << 22 | 1u << 24;  // AMX-BF16 and AMX-TILE, of edx, leaf 7, part 0
  // Linux gives the memory of tiles to those who ask for it, once for each process.
  constexpr long ask_for = 0x1023, tiles = 18;
  return (d & amx) == amx && syscall(SYS_arch_prctl, ask_for, tiles) == 0;
#endif
#endif
  return false;
}

std::vector<std::string> available() {
  std::vector<std::string> levels;
  for (const std::string& level : built) {
    if (processor_has(level)) levels.push_back(level);
  }
  return levels;
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text.empty() ? "none" : text;
}

std::string choose() {
  const std::vector<std::string> levels = available();
  const char* asked = std::getenv("FASTFA_ISA");
  if (asked && *asked) {
    if (std::find(levels.begin(), levels.end(), asked) != levels.end()) return asked;
    throw std::runtime_error("[fastfa] FASTFA_ISA was '" + std::string(asked) +
                             "'; this build and processor have: " + joined(levels));
  }
  if (levels.empty()) {
    throw std::runtime_error("[fastfa] this processor has none of the instruction sets built: " +
                             joined(built));
  }
  return levels.front();
}

const KernelTable& open_kernels() {
  const std::string level = choose();
  std::string path;
  const KernelTable* table = nullptr;
  try {
    path = library_path("fastfa_kernels_" + level);
    table = static_cast<const KernelTable*>(open_library(path, "fastfa_kernels"));
  } catch (const std::runtime_error& error) {
    throw std::runtime_error(std::string("[fastfa] cannot load kernels: ") + error.what());
  }
  if (table->abi != kernel_abi) {
    throw std::runtime_error("[fastfa] " + path + " belongs to another version of fastfa");
  }
  return *table;
}

// The ways to do products in bf16 that the kernels and the processor have, best first.
std::vector<const Bf16Set*> ways_of_bf16() {
  std::vector<const Bf16Set*> ways;
  for (const Bf16Set* set : kernels().bf16) {
    if (set && processor_has_bf16(set->how)) ways.push_back(set);
  }
  return ways;
}

std::vector<std::string> names_of(const std::vector<const Bf16Set*>& ways) {
  std::vector<std::string> names;
  for (const Bf16Set* way : ways) names.push_back(way->how);
  return names;
}

const Bf16Set& choose_bf16() {
  const std::vector<const Bf16Set*> ways = ways_of_bf16();
  const char* asked = std::getenv("FASTFA_BF16");
  if (!asked || !*asked) return *ways.front();
  for (const Bf16Set* way : ways) {
    if (std::string(asked) == way->how) return *way;
  }
  throw std::runtime_error("[fastfa] FASTFA_BF16 was '" + std::string(asked) +
                           "'; this build and processor have: " + joined(names_of(ways)));
}

}  // namespace

const KernelTable& kernels() {
  static std::atomic<const KernelTable*> table{nullptr};
  if (const KernelTable* open = table.load(std::memory_order_acquire)) return *open;
  const std::lock_guard<std::mutex> lock(process_mutex());
  if (!table.load(std::memory_order_relaxed)) table.store(&open_kernels(), std::memory_order_release);
  return *table.load(std::memory_order_relaxed);
}

const Bf16Set& bf16_products() {
  static const Bf16Set& chosen = choose_bf16();
  return chosen;
}

const char* version() { return FASTFA_VERSION; }

BuildInfo build_info() {
  const KernelTable& table = kernels();
#if defined(__clang__)
  const std::string compiler = "clang " __clang_version__;
#else
  const std::string compiler = "gcc " __VERSION__;
#endif
  return {table.level, available(), bf16_products().how, names_of(ways_of_bf16()),
          table.eigen, compiler,    FASTFA_CUDA};
}

}  // namespace fastfa

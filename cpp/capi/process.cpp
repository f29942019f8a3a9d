// The C interface: errors, versions and what belongs to the process.
#include <cstdio>

#include "capi/guard.h"
#include "fastfa/runtime.h"

namespace fastfa {
namespace {

// Of fixed size, so that telling of an error can't fail.
struct Last {
  char what[2048] = "";
  std::int32_t layer = 0;
  std::int64_t step = 0, time = -1;
};
thread_local Last last;

}  // namespace

fastfa_status failed(fastfa_status status, const char* what) noexcept {
  std::snprintf(last.what, sizeof last.what, "%s", what);
  return status;
}

fastfa_status diverged(const DivergenceError& error) noexcept {
  last.layer = error.layer();
  last.step = error.step();
  last.time = error.time();
  return failed(FASTFA_DIVERGED, error.what());
}

}  // namespace fastfa

extern "C" {

int32_t fastfa_abi(void) { return FASTFA_ABI; }
const char* fastfa_version(void) { return fastfa::version(); }
const char* fastfa_last_error(void) { return fastfa::last.what; }

void fastfa_last_divergence(int32_t* layer, int64_t* step) {
  if (layer) *layer = fastfa::last.layer;
  if (step) *step = fastfa::last.step;
}

fastfa_status fastfa_set_num_threads(int32_t n) {
  return fastfa::guarded([&] { fastfa::set_num_threads(n); });
}

int64_t fastfa_last_divergence_time(void) { return fastfa::last.time; }

int32_t fastfa_get_num_threads(void) {
  int32_t n = 0;
  fastfa::guarded([&] { n = fastfa::get_num_threads(); });
  return n;
}
}

// What every function of the C interface does with exceptions: none leaves it.
#pragma once

#include <new>
#include <stdexcept>
#include <system_error>

#include "core/base/sizes.h"
#include "fastfa/fastfa.h"
#include "fastfa/types.h"

namespace fastfa {

// A propagate function of the caller's returned something other than 0.
class CallbackError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

fastfa_status failed(fastfa_status status, const char* what) noexcept;
fastfa_status diverged(const DivergenceError& error) noexcept;

template <class F>
fastfa_status guarded(F&& f) noexcept {
  try {
    f();
    return FASTFA_OK;
  } catch (const DivergenceError& e) {
    return diverged(e);
  } catch (const DeviceError& e) {
    return failed(FASTFA_DEVICE, e.what());
  } catch (const Interrupted& e) {
    return failed(FASTFA_INTERRUPTED, e.what());
  } catch (const OrderError& e) {
    return failed(FASTFA_WRONG_ORDER, e.what());
  } catch (const CallbackError& e) {
    return failed(FASTFA_CALLBACK, e.what());
  } catch (const FormatError& e) {
    return failed(FASTFA_BAD_FILE, e.what());
  } catch (const std::system_error& e) {
    return failed(e.code().category() == std::generic_category() ? FASTFA_IO : FASTFA_FAILED, e.what());
  } catch (const NoMemory& e) {
    return failed(FASTFA_NO_MEMORY, e.what());
  } catch (const std::bad_alloc&) {
    return failed(FASTFA_NO_MEMORY, "[fastfa] there is not enough memory for this");
  } catch (const std::length_error&) {
    return failed(FASTFA_NO_MEMORY, "[fastfa] there is not enough memory for this");
  } catch (const std::out_of_range&) {
    return failed(FASTFA_INVALID_ARGUMENT, "[fastfa] there is no such layer, or it has no feedback");
  } catch (const std::invalid_argument& e) {
    return failed(FASTFA_INVALID_ARGUMENT, e.what());
  } catch (const std::exception& e) {
    return failed(FASTFA_FAILED, e.what());
  } catch (...) {
    return failed(FASTFA_FAILED, "[fastfa] an unknown exception");
  }
}

}  // namespace fastfa

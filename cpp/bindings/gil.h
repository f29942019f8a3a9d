// The GIL, given back while the core works and taken again, by threads that may outlive the interpreter.
//
// Once the interpreter shuts down, only the thread that does so may have the GIL. Of another that asks,
// Python up to 3.13 makes an end by pthread_exit(), whose unwinding C++ answers with std::terminate();
// from 3.14 on it waits for ever. Here it waits for ever under each version: the process ends without
// it.
#pragma once

#include <pybind11/pybind11.h>
#include <unistd.h>

#include <exception>
#include <memory>
#include <type_traits>
#include <utility>

namespace fastfa {

inline bool interpreter_ends() {
#if PY_VERSION_HEX >= 0x030d0000
  return Py_IsFinalizing() != 0;
#else
  return _Py_IsFinalizing() != 0;
#endif
}

// Is this the thread that shuts the interpreter down? Python code of another no longer runs then.
inline thread_local bool finalises = false;

// Has the GIL gone for good, as far as this thread is concerned?
inline bool gil_is_gone() { return interpreter_ends() && !finalises; }

[[noreturn]] inline void wait_for_ever() noexcept {
  for (;;) pause();
}

// Holds up the unwinding by which Python before 3.14 ends a thread, in any C++ library.
struct Unwinding {
  bool possible = PY_VERSION_HEX < 0x030e0000;
  ~Unwinding() {
    if (possible && gil_is_gone()) wait_for_ever();
  }
};

// call(), which asks for the GIL, or runs code of Python's: that gives the GIL away for a while, and may
// find it gone. Nothing may be unwound then, so call() should do little else.
template <class Call>
auto in_python(Call&& call) {
  Unwinding unwinding;
  if constexpr (std::is_void_v<decltype(call())>) {
    call();
    unwinding.possible = false;
  } else {
    auto result = call();
    unwinding.possible = false;
    return result;
  }
}

// take(), which takes the GIL. Returns if that succeeds.
template <class Take>
auto take_gil(Take&& take) noexcept {
  if (gil_is_gone()) wait_for_ever();
  return in_python(take);
}

// Without the GIL while it lives.
class WithoutGil {
 public:
  WithoutGil() {
    finalises = interpreter_ends();
    state_ = PyEval_SaveThread();
  }
  ~WithoutGil() {
    take_gil([this] { PyEval_RestoreThread(state_); });
  }
  WithoutGil(const WithoutGil&) = delete;
  WithoutGil& operator=(const WithoutGil&) = delete;

 private:
  PyThreadState* state_;
};

// With the GIL while it lives, in any thread. Ask gil_is_gone() first: where it is, the caller can do
// better than wait.
class WithGil {
 public:
  WithGil() : state_(take_gil([] { return PyGILState_Ensure(); })) {}
  ~WithGil() { PyGILState_Release(state_); }
  WithGil(const WithGil&) = delete;
  WithGil& operator=(const WithGil&) = delete;

 private:
  PyGILState_STATE state_;
};

// Something of Python's that threads without the GIL may let go of. Once the GIL is gone, it is left.
template <class Object>
std::shared_ptr<Object> shared_with_core(Object&& object) {
  return {new Object(std::forward<Object>(object)), [](Object* held) {
            if (gil_is_gone()) return;
            const WithGil gil;
            delete held;
          }};
}

// A Python exception on its way through the core.
class PythonError : public std::exception {
 public:
  explicit PythonError(pybind11::error_already_set&& error)
      : error_(shared_with_core(std::move(error))) {}
  void restore() const { error_->restore(); }

 private:
  std::shared_ptr<pybind11::error_already_set> error_;
};

}  // namespace fastfa

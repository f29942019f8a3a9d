// Switching stacks by hand takes a few nanoseconds; ucontext, which asks the system for the signal mask
// each time, a hundred times as long. It serves where the processor or the format of objects is another.
#if defined(__APPLE__)
#define _XOPEN_SOURCE 600                                     // else macOS hides ucontext
#define _DARWIN_C_SOURCE                                      // and with it alone much else
#pragma clang diagnostic ignored "-Wdeprecated-declarations"  // that it is old
#endif
#include "cuda/emulate/fiber.h"

#include <cstdint>

#if !defined(__has_feature)  // Clang's way to say it; GCC has the macro
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#define FASTFA_ASAN 1
#else
#define FASTFA_ASAN 0
#endif

#if defined(__x86_64__) && defined(__ELF__)
#define FASTFA_BY_HAND 1
#else
#define FASTFA_BY_HAND 0
#include <ucontext.h>
#endif

namespace fastfa::emulate {
namespace {

constexpr std::size_t stack_bytes = FASTFA_ASAN ? 262144 : 65536;

thread_local Fiber* starting = nullptr;

}  // namespace

#if FASTFA_BY_HAND

// Saves what a function must preserve, and goes on where `to` was saved.
extern "C" __attribute__((visibility("hidden"))) void fastfa_switch_stack(void** from, void* to);
asm(R"(
.text
.hidden fastfa_switch_stack
.globl fastfa_switch_stack
.type fastfa_switch_stack, @function
fastfa_switch_stack:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size fastfa_switch_stack, .-fastfa_switch_stack
)");

// Six registers, then where to: enter(), as if it had been called.
void Fiber::prepare_stack() {
  auto top = reinterpret_cast<std::uintptr_t>(stack_.get() + stack_bytes) & ~std::uintptr_t{15};
  auto* slot = reinterpret_cast<void**>(top);
  *--slot = nullptr;  // enter() returns nowhere
  *--slot = reinterpret_cast<void*>(&Fiber::enter);
  for (int i = 0; i < 6; ++i) *--slot = nullptr;
  own_ = slot;
}
static void switch_stack(void** from, void* to) { fastfa_switch_stack(from, to); }

#else

void Fiber::prepare_stack() {
  auto* context = new ucontext_t;
  getcontext(context);
  context->uc_stack.ss_sp = stack_.get();
  context->uc_stack.ss_size = stack_bytes;
  context->uc_link = nullptr;
  makecontext(context, &Fiber::enter, 0);
  delete static_cast<ucontext_t*>(own_);
  own_ = context;
}
static void switch_stack(void** from, void* to) {
  if (!*from) *from = new ucontext_t;
  swapcontext(static_cast<ucontext_t*>(*from), static_cast<ucontext_t*>(to));
}

#endif

Fiber::Fiber() : stack_(new unsigned char[stack_bytes]) {}
Fiber::~Fiber() {
#if !FASTFA_BY_HAND
  delete static_cast<ucontext_t*>(own_);
  delete static_cast<ucontext_t*>(caller_);
#endif
}

void Fiber::start(void (*body)(void*), void* context) {
#if FASTFA_ASAN
  __asan_unpoison_memory_region(stack_.get(), stack_bytes);  // of an earlier run that didn't end
  fake_own_ = nullptr;
#endif
  body_ = body;
  context_ = context;
  ended_ = false;
  prepare_stack();
}

void Fiber::resume() {
  starting = this;
#if FASTFA_ASAN
  __sanitizer_start_switch_fiber(&fake_caller_, stack_.get(), stack_bytes);
#endif
  switch_stack(&caller_, own_);
#if FASTFA_ASAN
  __sanitizer_finish_switch_fiber(fake_caller_, nullptr, nullptr);
#endif
}

void Fiber::wait() {
#if FASTFA_ASAN
  __sanitizer_start_switch_fiber(ended_ ? nullptr : &fake_own_, caller_bottom_, caller_size_);
#endif
  switch_stack(&own_, caller_);
#if FASTFA_ASAN
  __sanitizer_finish_switch_fiber(fake_own_, &caller_bottom_, &caller_size_);
#endif
}

void Fiber::enter() {
  Fiber* self = starting;
#if FASTFA_ASAN
  __sanitizer_finish_switch_fiber(nullptr, &self->caller_bottom_, &self->caller_size_);
#endif
  self->body_(self->context_);
  self->ended_ = true;
  self->wait();
}

}  // namespace fastfa::emulate

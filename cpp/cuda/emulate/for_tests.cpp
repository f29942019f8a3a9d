// What tests ask of the emulated device: what has run, and arrays and streams that are somebody else's.
#include <cstring>
#include <string>

#include "cuda/emulate/device.h"
#include "fastfa/export.h"

using fastfa::emulate::Memory;
using fastfa::emulate::Queue;

extern "C" {

// "kernel=times …" of all that have run.
FASTFA_API const char* fastfa_kernels_run() {
  static std::string text;
  text.clear();
  for (const auto& [name, times] : fastfa::cuda::runs()) {
    text += (text.empty() ? "" : " ") + name + "=" + std::to_string(times);
  }
  return text.c_str();
}

// Memory of a device, of undefined values.
FASTFA_API void* fastfa_emulated_allocate(int ordinal, std::size_t bytes) {
  return Memory::of(ordinal).take(bytes, 0xff);
}
FASTFA_API void fastfa_emulated_free(int ordinal, void* memory) { Memory::of(ordinal).release(memory); }

// What a product of the stand-in for cuBLAS takes from now on, in ticks of a thread: may be negative.
FASTFA_API void fastfa_emulated_product_takes(long ticks) { fastfa::cuda::product_takes(ticks); }

// A stream, as its handle; give it back as this very pointer.
FASTFA_API void* fastfa_emulated_stream() { return new std::shared_ptr<Queue>(Queue::make()); }
FASTFA_API std::uintptr_t fastfa_emulated_handle(void* stream) {
  return (*static_cast<std::shared_ptr<Queue>*>(stream))->handle();
}
FASTFA_API void fastfa_emulated_stream_free(void* stream) {
  delete static_cast<std::shared_ptr<Queue>*>(stream);
}
// Queues a copy on the stream of that handle: `from` must stay as it is until it is done.
FASTFA_API void fastfa_emulated_copy(std::uintptr_t handle, void* to, const void* from,
                                     std::size_t bytes) {
  Queue::of(handle)->push([=] { std::memcpy(to, from, bytes); });
}
// What `handle` does from here on comes after what is on `other` now.
FASTFA_API void fastfa_emulated_after(std::uintptr_t handle, std::uintptr_t other) {
  Queue::of(handle)->push([queue = Queue::of(other)] { queue->wait(); });
}

}  // extern "C"

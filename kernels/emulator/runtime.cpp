// The emulator's runtime: everything has happened when its call returns. Its memory is ordinary memory underneath, but it
// says otherwise (host_memory = false), so that code above treats it as a GPU's; copies check that they are given what
// they are told.
#include "kernels/runtime.h"

#include <cstring>

#include "kernels/cuda/runtime.h"
#include "kernels/emulator/memory.h"

namespace tessera::kernels::emulated {
namespace {

int device_count(std::string*) { return 1; }

DeviceInfo device_info(int) { return {"emulated GPU", "CUDA kernels run as C++ on the CPU, one thread", 0}; }

void* allocate(int, std::size_t bytes) { return DeviceMemory::instance().allocate(bytes); }
void release(int, void* memory) { DeviceMemory::instance().release(memory); }

void* create_stream(int) { return nullptr; }
void destroy_stream(int, void*) {}

void copy(void*, void* to, const void* from, std::size_t bytes, Copy direction) {
  if (direction != Copy::device_to_host) DeviceMemory::instance().require(to, bytes, "destination of a copy");
  if (direction != Copy::host_to_device) DeviceMemory::instance().require(from, bytes, "source of a copy");
  if (bytes != 0) std::memmove(to, from, bytes);
}

void zero(void*, void* memory, std::size_t bytes) {
  DeviceMemory::instance().require(memory, bytes, "memory to set to zero");
  if (bytes != 0) std::memset(memory, 0, bytes);
}

void synchronize(void*) { count_synchronization(); }

}  // namespace

const Runtime runtime = {.device_count = device_count,
                         .device_info = device_info,
                         .allocate = allocate,
                         .release = release,
                         .create_stream = create_stream,
                         .destroy_stream = destroy_stream,
                         .copy = copy,
                         .zero = zero,
                         .synchronize = synchronize,
                         .begin_recording = nullptr,
                         .end_recording = nullptr,
                         .replay = nullptr,
                         .destroy_recording = nullptr,
                         .host_memory = false};

}  // namespace tessera::kernels::emulated

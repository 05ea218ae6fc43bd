// The emulator's runtime: everything has happened when its call returns. Its memory is ordinary memory underneath, but it
// says otherwise (host_memory = false), so that code above treats it as a GPU's; copies check that they are given what
// they are told.
#include "kernels/runtime.h"

#include <atomic>
#include <cstring>

#include "kernels/cuda/runtime.h"
#include "kernels/emulator/memory.h"
#include "kernels/emulator/recording.h"
#include "kernels/errors.h"

namespace tessera::kernels::emulated {
namespace {

std::atomic<int> recordings_under_way = 0;  // on a GPU, too, allocating then is an error

int device_count(std::string*) { return 1; }

DeviceInfo device_info(int) { return {"emulated GPU", "CUDA kernels run as C++ on the CPU, one thread", 0}; }

void* allocate(int, std::size_t bytes) {
  if (recordings_under_way > 0) throw DeviceError("emulated: memory was asked for while a stream is recording");
  return DeviceMemory::instance().allocate(bytes);
}
void release(int, void* memory) { DeviceMemory::instance().release(memory); }

void* create_stream(int) { return new NativeStream; }
bool is_recording(void* stream) { return stream && static_cast<NativeStream*>(stream)->recording; }

void destroy_stream(int, void* stream) {
  if (is_recording(stream)) --recordings_under_way;
  delete static_cast<NativeStream*>(stream);
}

void copy(void* stream, void* to, const void* from, std::size_t bytes, Copy direction) {
  if (is_recording(stream) && direction != Copy::device_to_device)
    throw DeviceError("emulated: a copy from or to the host while the stream is recording");
  if (direction != Copy::device_to_host) DeviceMemory::instance().require(to, bytes, "destination of a copy");
  if (direction != Copy::host_to_device) DeviceMemory::instance().require(from, bytes, "source of a copy");
  if (bytes != 0) issue(stream, [=] { std::memmove(to, from, bytes); });
}

void zero(void* stream, void* memory, std::size_t bytes) {
  DeviceMemory::instance().require(memory, bytes, "memory to set to zero");
  if (bytes != 0) issue(stream, [=] { std::memset(memory, 0, bytes); });
}

void synchronize(void* stream) {
  if (is_recording(stream)) throw DeviceError("emulated: a stream was waited for while it is recording");
  count_synchronization();
}

void begin_recording(void* stream) {
  if (is_recording(stream)) throw DeviceError("emulated: the stream is recording already");
  static_cast<NativeStream*>(stream)->recording = std::make_unique<Recording>();
  ++recordings_under_way;
}

void* end_recording(void* stream) {
  if (!is_recording(stream)) throw DeviceError("emulated: the stream is not recording");
  --recordings_under_way;
  return static_cast<NativeStream*>(stream)->recording.release();
}

void replay(void* stream, void* recording) {
  for (const auto& work : *static_cast<Recording*>(recording)) issue(stream, work);
}

void destroy_recording(void* recording) { delete static_cast<Recording*>(recording); }

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
                         .begin_recording = begin_recording,
                         .end_recording = end_recording,
                         .replay = replay,
                         .destroy_recording = destroy_recording,
                         .host_memory = false};

}  // namespace tessera::kernels::emulated

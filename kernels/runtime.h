// Memory, copies and streams of one kind of device: the part of a backend that computes nothing.
#pragma once

#include <cstddef>
#include <string>

namespace tessera::kernels {

struct DeviceInfo {
  std::string name;              // "NVIDIA H200", "AMD EPYC"
  std::string detail;            // compute capability, instruction set, …
  std::size_t memory_bytes = 0;  // total; 0 where it is not known
};

enum class Copy { host_to_device, device_to_host, device_to_device };

// All functions throw DeviceError (allocate: OutOfMemory) when they cannot do what they say; but release and destroy_… run
// in destructors, and on a device that is lost they let things be: the call that noticed has said so.
struct Runtime {
  // Number of usable devices; where there is none, `why` says why and what to do about it.
  int (*device_count)(std::string* why);
  DeviceInfo (*device_info)(int device);

  // At least `bytes` of device memory aligned to 256 bytes.
  void* (*allocate)(int device, std::size_t bytes);
  void (*release)(int device, void* memory);

  void* (*create_stream)(int device);
  void (*destroy_stream)(int device, void* stream);

  // Ordered on the stream. Host memory must stay valid until synchronize().
  void (*copy)(void* stream, void* to, const void* from, std::size_t bytes, Copy direction);
  void (*zero)(void* stream, void* memory, std::size_t bytes);
  void (*synchronize)(void* stream);

  // Recording: between begin_recording and end_recording the work issued to the stream is remembered instead of done;
  // replay issues all of it again, with the same addresses. Waiting, allocating and copies from or to the host are errors
  // meanwhile. end_recording(…) always ends the recording; where it throws there is none. Null where a runtime cannot
  // record.
  void (*begin_recording)(void* stream);
  void* (*end_recording)(void* stream);
  void (*replay)(void* stream, void* recording);
  void (*destroy_recording)(void* recording);

  // True where device memory is ordinary host memory and kernels have finished when their call returns.
  bool host_memory;
};

}  // namespace tessera::kernels

// Device memory and copies from, to and within it.
#include <cstring>

#include "tests/ptx/cudart/driver.h"

using namespace tessera::ptx;

namespace {

bool is_to_device(cudaMemcpyKind kind) { return kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice; }
bool is_from_device(cudaMemcpyKind kind) { return kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice; }

struct Copy {
  void* to;
  const void* from;
  std::size_t bytes;
  cudaMemcpyKind kind;

  bool whole(const DeviceMemory& memory) const {
    return (!is_to_device(kind) || memory.holds(to, bytes)) && (!is_from_device(kind) || memory.holds(from, bytes));
  }
  void run(Machine& machine) const {
    DeviceMemory& memory = machine.memory;
    if (!whole(memory)) throw Fault(Fault::illegal_address, "a queued copy's device memory has been freed");
    const u64 source = reinterpret_cast<u64>(from), target = reinterpret_cast<u64>(to);
    for (u64 b = 0; memory.tracks() && is_from_device(kind) && b < bytes; ++b)
      if (!memory.is_written(source + b)) {
        machine.note("a copy of " + std::to_string(bytes) + " bytes from the device, of which byte " + std::to_string(b) +
                     " was never written");
        break;
      }
    std::memmove(is_to_device(kind) ? memory.host(target) : to, is_from_device(kind) ? memory.host(source) : from, bytes);
    if (is_to_device(kind)) memory.mark_written(target, bytes);
  }
};

constexpr std::size_t remembered_at_most = std::size_t{1} << 24;

cudaError_t queue_copy(Driver& driver, const Copy& copy, cudaStream_t stream) {
  StreamState* const s = driver.stream(stream);
  if (!s) return cudaErrorInvalidResourceHandle;
  if (is_to_device(copy.kind) != DeviceMemory::is_device(copy.to) ||
      is_from_device(copy.kind) != DeviceMemory::is_device(copy.from) || !copy.whole(driver.machine.memory))
    return cudaErrorInvalidValue;
  const bool host = copy.kind != cudaMemcpyDeviceToDevice, recorded = s->capture != nullptr;
  if (host && recorded) {
    driver.machine.note("a copy of host memory is recorded");
    if (driver.settings.refuse_host_copies) {
      s->invalid = true;
      return cudaErrorStreamCaptureUnsupported;
    }
  }
  // What the host memory holds now it must still hold when the copy is made.
  std::shared_ptr<std::vector<char>> before;
  if (copy.kind == cudaMemcpyHostToDevice && !recorded && copy.bytes <= remembered_at_most) {
    const auto* const from = static_cast<const char*>(copy.from);
    before = std::make_shared<std::vector<char>>(from, from + copy.bytes);
  }
  return driver.push(*s, [&driver, copy, before] {
    if (before && std::memcmp(before->data(), copy.from, copy.bytes) != 0)
      driver.machine.note("host memory changed before a copy of " + std::to_string(copy.bytes) +
                          " bytes to the device was waited for");
    copy.run(driver.machine);
  });
}

}  // namespace

TESSERA_PTX_API cudaError_t cudaMalloc(void** p, size_t bytes) {
  Driver& driver = Driver::instance();
  return driver.call(__func__, true, [&] {
    if (const cudaError_t error = driver.forbid_capture(); error != cudaSuccess) return error;
    *p = bytes == 0 ? nullptr : reinterpret_cast<void*>(driver.machine.memory.allocate(bytes));
    return *p || bytes == 0 ? cudaSuccess : cudaErrorMemoryAllocation;
  });
}
TESSERA_PTX_API cudaError_t cudaFree(void* p) {
  Driver& driver = Driver::instance();
  return driver.call(__func__, true, [&] {
    if (const cudaError_t error = driver.forbid_capture(); error != cudaSuccess) {
      driver.machine.note("cudaFree during a recording");
      return error;
    }
    if (!p) return cudaSuccess;
    const cudaError_t error = driver.drain_all();  // it waits for the device
    if (driver.machine.memory.release(reinterpret_cast<u64>(p))) return error;
    driver.machine.note("cudaFree of what is not allocated");
    return cudaErrorInvalidValue;
  });
}
TESSERA_PTX_API cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  Driver& driver = Driver::instance();
  return driver.call(__func__, true, [&] {
    *total = device_capacity;
    *free = device_capacity - driver.machine.memory.in_use();
    return cudaSuccess;
  });
}
TESSERA_PTX_API cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* a, const void* p) {
  return Driver::instance().call(__func__, true, [&] {
    std::memset(a, 0, sizeof *a);
    a->type = DeviceMemory::is_device(p) ? cudaMemoryTypeDevice : cudaMemoryTypeUnregistered;
    return cudaSuccess;
  });
}
TESSERA_PTX_API cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind,
                                            cudaStream_t stream) {
  Driver& driver = Driver::instance();
  return driver.call(__func__, true, [&] { return queue_copy(driver, {to, from, bytes, kind}, stream); });
}
TESSERA_PTX_API cudaError_t cudaMemsetAsync(void* to, int value, size_t bytes, cudaStream_t stream) {
  Driver& driver = Driver::instance();
  return driver.call(__func__, true, [&] {
    StreamState* const s = driver.stream(stream);
    if (!s || s->device != driver.current_device()) return cudaErrorInvalidResourceHandle;
    if (!driver.machine.memory.holds(to, bytes)) return cudaErrorInvalidValue;
    return driver.push(*s, [&driver, to, value, bytes] {
      DeviceMemory& memory = driver.machine.memory;
      if (!memory.holds(to, bytes)) throw Fault(Fault::illegal_address, "the memory of a queued memset has been freed");
      std::memset(memory.host(reinterpret_cast<u64>(to)), value, bytes);
      memory.mark_written(reinterpret_cast<u64>(to), bytes);
    });
  });
}

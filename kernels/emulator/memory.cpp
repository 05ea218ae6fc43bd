#include "kernels/emulator/memory.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "kernels/errors.h"

namespace tessera::kernels::emulated {

DeviceMemory& DeviceMemory::instance() {
  static DeviceMemory memory;
  return memory;
}

void* DeviceMemory::allocate(std::size_t bytes) {
  void* memory = nullptr;
  if (posix_memalign(&memory, 256, std::max<std::size_t>(bytes, 1)) != 0)
    throw OutOfMemory("emulated device: no memory for " + std::to_string(bytes) + " bytes; use a smaller batch");
  std::memset(memory, 0xff, bytes);
  const std::lock_guard lock(mutex_);
  live_[static_cast<char*>(memory)].bytes = bytes;
  ++allocations_;
  return memory;
}

void DeviceMemory::release(void* memory) {
  if (!memory) return;
  {
    const std::lock_guard lock(mutex_);
    if (live_.erase(static_cast<char*>(memory)) == 0)
      throw DeviceError("emulated device: released memory that is not allocated (released twice, or not device memory)");
    ++releases_;
  }
  std::free(memory);
}

std::map<char*, DeviceMemory::Allocation>::iterator DeviceMemory::find(const void* address) {
  auto* const wanted = static_cast<char*>(const_cast<void*>(address));
  auto after = live_.upper_bound(wanted);
  if (after == live_.begin()) return live_.end();
  const auto found = std::prev(after);
  return wanted <= found->first + found->second.bytes ? found : live_.end();
}

void DeviceMemory::require(const void* memory, std::size_t bytes, const char* what) {
  if (bytes == 0) return;
  const std::lock_guard lock(mutex_);
  const auto found = find(memory);
  if (found == live_.end()) throw DeviceError(std::string("emulated device: the ") + what + " is not device memory");
  const auto offset = static_cast<std::size_t>(static_cast<const char*>(memory) - found->first);
  if (bytes > found->second.bytes - offset)
    throw DeviceError(std::string("emulated device: the ") + what + " needs " + std::to_string(bytes) +
                      " bytes from offset " + std::to_string(offset) + " of an allocation of " +
                      std::to_string(found->second.bytes));
}

bool DeviceMemory::holds(const void* memory, std::size_t bytes) {
  const std::lock_guard lock(mutex_);
  const auto found = find(memory);
  if (found == live_.end()) return false;
  return bytes <= found->second.bytes - static_cast<std::size_t>(static_cast<const char*>(memory) - found->first);
}

void DeviceMemory::begin_write_sets() {
  const std::lock_guard lock(mutex_);
  for (auto& [memory, allocation] : live_) {
    allocation.snapshot.assign(memory, memory + allocation.bytes);
    allocation.writer.assign(allocation.bytes, nobody);
  }
}

void DeviceMemory::note_atomic(const void* address, std::size_t bytes) {
  const std::lock_guard lock(mutex_);
  const auto found = find(address);
  if (found == live_.end() || found->second.writer.empty()) return;  // shared memory is a block's own
  const auto offset = static_cast<const char*>(address) - found->first;
  std::fill_n(found->second.writer.begin() + offset, bytes, atomically);
}

std::string DeviceMemory::end_of_block(std::int64_t block) {
  const std::lock_guard lock(mutex_);
  for (auto& [memory, allocation] : live_) {
    if (allocation.snapshot.empty() || std::memcmp(memory, allocation.snapshot.data(), allocation.bytes) == 0) continue;
    for (std::size_t i = 0; i < allocation.bytes; ++i) {
      std::int64_t& writer = allocation.writer[i];
      if (static_cast<unsigned char>(memory[i]) == allocation.snapshot[i] || writer == atomically) continue;
      if (writer != nobody && writer != block)
        return "blocks " + std::to_string(writer) + " and " + std::to_string(block) +
               " (counted along x, then y, then z) both changed byte " + std::to_string(i) + " of an allocation of " +
               std::to_string(allocation.bytes) + " bytes without an atomic";
      writer = block;
    }
    std::memcpy(allocation.snapshot.data(), memory, allocation.bytes);
  }
  return "";
}

void DeviceMemory::end_write_sets() {
  const std::lock_guard lock(mutex_);
  for (auto& [memory, allocation] : live_) {
    allocation.snapshot = {};
    allocation.writer = {};
  }
}

}  // namespace tessera::kernels::emulated

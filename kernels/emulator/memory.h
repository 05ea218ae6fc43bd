// The emulator's device memory: one exact block of the host's heap per allocation, so that AddressSanitizer sees its ends.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace tessera::kernels::emulated {

class DeviceMemory {
 public:
  static DeviceMemory& instance();

  // Aligned to 256 bytes and filled with 0xFF: NaN in every float format, so that reading what nobody wrote is seen.
  // Throws OutOfMemory.
  void* allocate(std::size_t bytes);
  void release(void* memory);  // throws DeviceError where it is not a live allocation
  // Throws DeviceError where the range is not inside one live allocation; `what` names the operand.
  void require(const void* memory, std::size_t bytes, const char* what);

  bool holds(const void* memory, std::size_t bytes);  // is all of it inside one live allocation?

  std::int64_t allocations() const { return allocations_; }
  std::int64_t releases() const { return releases_; }

  // The write-set check: take a snapshot, and after each block look for bytes that an earlier block changed too.
  void begin_write_sets();
  void note_atomic(const void* address, std::size_t bytes);
  std::string end_of_block(std::int64_t block);  // what is wrong, or nothing
  void end_write_sets();

 private:
  static constexpr std::int64_t nobody = -1, atomically = -2;
  struct Allocation {
    std::size_t bytes = 0;
    std::vector<unsigned char> snapshot;
    std::vector<std::int64_t> writer;  // per byte: the block that changed it
  };

  std::map<char*, Allocation>::iterator find(const void* address);

  std::mutex mutex_;
  std::map<char*, Allocation> live_;
  std::atomic<std::int64_t> allocations_ = 0, releases_ = 0;
};

}  // namespace tessera::kernels::emulated

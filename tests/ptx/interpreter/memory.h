// Device memory: addresses that the host cannot read, with the exact bounds of every allocation.
#pragma once

#include <cstddef>
#include <map>

#include "tests/ptx/interpreter/types.h"

namespace tessera::ptx {

constexpr u64 device_base = 0x0A0000000000, device_span = u64{24} << 30;  // where device addresses lie
constexpr u64 device_capacity = u64{12} << 30;                            // what the device says it has

class DeviceMemory {
 public:
  // track: remember which bytes have been written.
  explicit DeviceMemory(bool track) : track_(track) {}
  ~DeviceMemory();
  DeviceMemory(const DeviceMemory&) = delete;
  DeviceMemory& operator=(const DeviceMemory&) = delete;

  // A block of NaNs (0xFF bytes), aligned to 256 bytes; 0 where there is no room.
  u64 allocate(u64 bytes);
  bool release(u64 address);  // false: no block begins there

  // The live block around an address.
  struct Block {
    u64 begin = 0, end = 0;
    explicit operator bool() const { return end != 0; }
  };
  Block find(u64 address) const;
  bool holds(const void* address, std::size_t bytes) const;  // one block has all of them
  static bool is_device(const void* p);

  // The host's pointer to a device address; nothing is checked.
  char* host(u64 device) const { return arena_ + (device - device_base); }
  // What has to be added to a device address.
  u64 host_distance() const { return reinterpret_cast<u64>(arena_) - device_base; }

  bool tracks() const { return track_; }
  void mark_written(u64 address, u64 bytes);
  bool is_written(u64 address) const { return written_[address - device_base] != 0; }

  u64 in_use() const { return in_use_; }
  u64 peak() const { return peak_; }
  u64 allocations() const { return allocations_; }
  u64 generation() const { return generation_; }  // changes with every allocation and release

 private:
  bool open();
  const bool track_;
  char* arena_ = nullptr;
  u8* written_ = nullptr;
  void* reserved_ = nullptr;
  std::map<u64, u64> blocks_, free_;  // address → bytes
  u64 in_use_ = 0, peak_ = 0, allocations_ = 0, generation_ = 1;
};

}  // namespace tessera::ptx

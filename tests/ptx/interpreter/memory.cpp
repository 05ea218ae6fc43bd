#include "tests/ptx/interpreter/memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>

namespace tessera::ptx {
namespace {

constexpr u64 gap = 256;                        // between blocks: what runs over an end meets no other block
constexpr u64 filled_at_most = u64{256} << 20;  // larger blocks are not filled: that would take their pages

u64 room_of(u64 bytes) { return (bytes + 255) / 256 * 256 + gap; }

void* map_memory(void* where, int protection, int more) {
  void* const p = mmap(where, device_span, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | more, -1, 0);
  return p == MAP_FAILED ? nullptr : p;
}

}  // namespace

// The addresses that kernels and hosts see are mapped without rights, so that a host that reads one is stopped; the bytes
// lie elsewhere.
bool DeviceMemory::open() {
  if (arena_) return true;
  reserved_ = map_memory(reinterpret_cast<void*>(device_base), PROT_NONE, MAP_FIXED_NOREPLACE);
  if (track_) written_ = static_cast<u8*>(map_memory(nullptr, PROT_READ | PROT_WRITE, 0));
  if (!reserved_ || (track_ && !written_)) return false;
  arena_ = static_cast<char*>(map_memory(nullptr, PROT_READ | PROT_WRITE, 0));
  if (!arena_) return false;
  free_[device_base + gap] = device_span - 2 * gap;
  return true;
}

DeviceMemory::~DeviceMemory() {
  for (void* p : {static_cast<void*>(arena_), static_cast<void*>(written_), reserved_})
    if (p) munmap(p, device_span);
}

u64 DeviceMemory::allocate(u64 bytes) {
  if (!open() || bytes == 0 || bytes > device_capacity || in_use_ + bytes > device_capacity) return 0;
  const u64 room = room_of(bytes);
  const auto fits = std::find_if(free_.begin(), free_.end(), [room](const auto& f) { return f.second >= room; });
  if (fits == free_.end()) return 0;
  const u64 at = fits->first, rest = fits->second - room;
  free_.erase(fits);
  if (rest) free_[at + room] = rest;
  blocks_[at] = bytes;
  in_use_ += bytes;
  peak_ = std::max(peak_, in_use_);
  ++allocations_;
  ++generation_;
  if (bytes <= filled_at_most) std::memset(host(at), 0xff, bytes);
  if (track_) std::memset(written_ + (at - device_base), 0, bytes);
  return at;
}

bool DeviceMemory::release(u64 address) {
  const auto block = blocks_.find(address);
  if (block == blocks_.end()) return false;
  u64 begin = address, room = room_of(block->second);
  in_use_ -= block->second;
  blocks_.erase(block);
  ++generation_;
  if (room > (u64{1} << 20)) {  // give the pages back
    constexpr u64 page = 4096;
    const u64 first = (reinterpret_cast<u64>(host(address)) + page - 1) / page * page,
              end = (reinterpret_cast<u64>(host(address)) + room) / page * page;
    madvise(reinterpret_cast<void*>(first), end - first, MADV_DONTNEED);
  }
  if (const auto next = free_.find(address + room); next != free_.end()) {
    room += next->second;
    free_.erase(next);
  }
  if (auto before = free_.lower_bound(address); before != free_.begin()) {
    --before;
    if (before->first + before->second == address) {
      begin = before->first;
      room += before->second;
    }
  }
  free_[begin] = room;
  return true;
}

DeviceMemory::Block DeviceMemory::find(u64 address) const {
  auto after = blocks_.upper_bound(address);
  if (after == blocks_.begin()) return {};
  const auto& [begin, bytes] = *--after;
  return address < begin + bytes ? Block{begin, begin + bytes} : Block{};
}

bool DeviceMemory::holds(const void* address, std::size_t bytes) const {
  const u64 a = reinterpret_cast<u64>(address);
  const Block block = find(a);
  return block && a + bytes <= block.end;
}

bool DeviceMemory::is_device(const void* p) {
  const u64 a = reinterpret_cast<u64>(p);
  return a >= device_base && a < device_base + device_span;
}

void DeviceMemory::mark_written(u64 address, u64 bytes) {
  if (track_) std::memset(written_ + (address - device_base), 1, bytes);
}

}  // namespace tessera::ptx

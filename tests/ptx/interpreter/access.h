// Handlers of loads, stores and atomics: bounds and alignment are checked lane by lane.
#pragma once

#include <cstring>
#include <string>
#include <type_traits>

#include "tests/ptx/interpreter/warp.h"

namespace tessera::ptx {

enum class Space { generic, global, shared, parameter };

inline void addresses(const Warp& w, const Instruction& i, Place operand, u64 (&a)[lane_count]) {
  if (i.address_bytes == 8) {
    const u64* const r = w.from<u64>(operand);
    TESSERA_PTX_LANES a[l] = r[l] + static_cast<u64>(i.offset);
  } else {
    const u32* const r = w.from<u32>(operand);
    TESSERA_PTX_LANES a[l] = r[l] + static_cast<u32>(i.offset);
  }
}

// Do these bytes lie in one allocation? The instruction remembers it.
bool in_one_block(const Warp& w, const Instruction& i, u64 address, u64 bytes);

[[noreturn]] void fault_misaligned(const Warp& w, const Instruction& i, const u64 (&a)[lane_count], u32 bytes);
[[noreturn]] void fault_shared(const Warp& w, const Instruction& i, const u64 (&a)[lane_count], u32 bytes);
void check_global(const Warp& w, const Instruction& i, const u64 (&a)[lane_count], u32 bytes);  // lane by lane
void check_written(const Warp& w, const Instruction& i, u64 address, u32 bytes);

// Checks the active lanes' accesses; returns what has to be added to an address for the host's pointer. Generic addresses
// become those of their space.
template <Space space>
u64 checked(Warp& w, const Instruction& i, u64 (&a)[lane_count], u32 bytes) {
  const u32 mask = w.mask;
  u64 low = ~u64{0}, high = 0, any = 0;
  TESSERA_PTX_LANES if (mask >> l & 1) {
    any |= a[l];
    low = a[l] < low ? a[l] : low;
    high = a[l] > high ? a[l] : high;
  }
  if constexpr (space == Space::generic) {
    if (low < shared_window) return checked<Space::global>(w, i, a, bytes);
    TESSERA_PTX_LANES a[l] -= shared_window;
    return checked<Space::shared>(w, i, a, bytes);
  }
  if (any & (bytes - 1)) [[unlikely]]
    fault_misaligned(w, i, a, bytes);
  Block& b = *w.block;
  if constexpr (space == Space::parameter) {
    const std::vector<char>& parameters = b.launch->parameters;
    if (low < parameter_window || high + bytes > parameter_window + parameters.size())
      fault(w, i, Fault::illegal_address, "a parameter out of bounds");
    return reinterpret_cast<u64>(parameters.data()) - parameter_window;
  } else if constexpr (space == Space::shared) {
    if (low < shared_base || high + bytes > shared_base + b.shared_bytes) [[unlikely]]
      fault_shared(w, i, a, bytes);
    return reinterpret_cast<u64>(b.shared.data()) - shared_base;
  } else {
    if (!in_one_block(w, i, low, high + bytes - low)) [[unlikely]]
      check_global(w, i, a, bytes);
    return b.machine->memory.host_distance();
  }
}

// What the machine looks for besides, at an access that is right.
template <Space space>
void watch(Warp& w, const Instruction& i, const u64 (&a)[lane_count], u32 bytes, bool write) {
  const Options& options = w.block->machine->options;
  if constexpr (space == Space::shared) {
    if (options.shared_races) [[unlikely]]
      TESSERA_PTX_LANES if (w.mask >> l & 1) note_shared_access(w, i, l, static_cast<u32>(a[l]) - shared_base, bytes, write);
  } else if constexpr (space == Space::global) {
    if (options.global_races) [[unlikely]]
      TESSERA_PTX_LANES if (w.mask >> l & 1) note_global_access(w, i, l, a[l], bytes, write);
    if (options.uninitialised) [[unlikely]] {
      TESSERA_PTX_LANES if (w.mask >> l & 1) {
        if (write)
          w.block->machine->memory.mark_written(a[l], bytes);
        else
          check_written(w, i, a[l], bytes);
      }
    }
  }
}

// at[0 … 3] values (count of them), at[4] address. M is the type in memory, R that of the register.
template <Space space, class M, class R>
void load(Warp& w, const Instruction& i) {
  u64 a[lane_count];
  addresses(w, i, i.at[4], a);
  const u32 bytes = sizeof(M) * i.count;
  const u64 distance = checked<space>(w, i, a, bytes);
  const u32 mask = w.mask;
  const auto value = [&](u32 l, u32 k) {
    M v;
    std::memcpy(&v, reinterpret_cast<const char*>(a[l] + distance) + k * sizeof(M), sizeof(M));
    return static_cast<R>(v);
  };
  for (u32 k = 0; k < i.count; ++k) {
    R* const d = w.to<R>(i.at[k]);
    if (mask == all_lanes) {
      TESSERA_PTX_LANES d[l] = value(l, k);
    } else {
      TESSERA_PTX_LANES if (mask >> l & 1) d[l] = value(l, k);
    }
  }
  watch<space>(w, i, a, bytes, false);
}

template <Space space, class M, class R>
void store(Warp& w, const Instruction& i) {
  u64 a[lane_count];
  addresses(w, i, i.at[4], a);
  const u32 bytes = sizeof(M) * i.count;
  const u64 distance = checked<space>(w, i, a, bytes);
  for (u32 k = 0; k < i.count; ++k) {
    const R* const s = w.from<R>(i.at[k]);
    TESSERA_PTX_LANES if (w.mask >> l & 1) {
      const M v = static_cast<M>(s[l]);
      std::memcpy(reinterpret_cast<char*>(a[l] + distance) + k * sizeof(M), &v, sizeof(M));
    }
  }
  watch<space>(w, i, a, bytes, true);
}

// at[0] the old value or none, at[1] operand, at[2] second operand (cas) or none, at[4] address.
template <Space space, class T, auto F>
void atomic(Warp& w, const Instruction& i) {
  u64 a[lane_count];
  addresses(w, i, i.at[4], a);
  const u64 distance = checked<space>(w, i, a, sizeof(T));
  const T* const s = w.from<T>(i.at[1]);
  const T* const t = i.at[2] == none ? s : w.from<T>(i.at[2]);
  T* const d = i.at[0] == none ? nullptr : w.to<T>(i.at[0]);
  TESSERA_PTX_LANES if (w.mask >> l & 1) {
    T v;
    std::memcpy(&v, reinterpret_cast<const char*>(a[l] + distance), sizeof v);
    const T fresh = F(v, s[l], t[l]);
    std::memcpy(reinterpret_cast<char*>(a[l] + distance), &fresh, sizeof v);
    if (d) d[l] = v;
  }
}

}  // namespace tessera::ptx

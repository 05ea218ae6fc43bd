// The words of the interpreter: PTX's widths, and the lanes of a warp.
#pragma once

#include <cstdint>

namespace tessera::ptx {

using u8 = std::uint8_t;
using u16 = std::uint16_t;
using u32 = std::uint32_t;
using u64 = std::uint64_t;
using i8 = std::int8_t;
using i16 = std::int16_t;
using i32 = std::int32_t;
using i64 = std::int64_t;
using f32 = float;
using f64 = double;

constexpr u32 lane_count = 32;
constexpr u32 all_lanes = ~0u;

struct Dim {
  u32 x = 1, y = 1, z = 1;
};

}  // namespace tessera::ptx

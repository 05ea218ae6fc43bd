// Bits: logic and shifts (PTX ISA 9.7.8), and instructions that count, move and extract bits (9.7.1).
#include <bit>
#include <type_traits>

#include "tests/ptx/interpreter/decoder.h"
#include "tests/ptx/interpreter/lanes.h"

namespace tessera::ptx {
namespace {

struct And {
  template <class T>
  static T of(T a, T b) {
    return static_cast<T>(a & b);
  }
};
struct Or {
  template <class T>
  static T of(T a, T b) {
    return static_cast<T>(a | b);
  }
};
struct Xor {
  template <class T>
  static T of(T a, T b) {
    return static_cast<T>(a ^ b);
  }
};
template <class Operation>
Handler logic(Statement& s) {
  s.operands(2);
  if (s.type == Type::pred) return predicate_logic<Operation::template of<u32>>;
  switch (s.width) {
    case 2: return binary<u16, u16, u16, Operation::template of<u16>>;
    case 4: return binary<u32, u32, u32, Operation::template of<u32>>;
    case 8: return binary<u64, u64, u64, Operation::template of<u64>>;
    default: return nullptr;
  }
}

Handler complement(Statement& s) {
  s.operands(1);
  if (s.type == Type::pred) return predicate_logic<[](u32 a, u32) { return ~a; }>;
  switch (s.width) {
    case 2: return unary<u16, u16, [](u16 a) { return static_cast<u16>(~a); }>;
    case 4: return unary<u32, u32, [](u32 a) { return ~a; }>;
    case 8: return unary<u64, u64, [](u64 a) { return ~a; }>;
    default: return nullptr;
  }
}

// By the width or more: 0, or the sign.
template <class T>
T shift_left(T a, u32 by) {
  return by >= 8 * sizeof(T) ? T{0} : static_cast<T>(a << by);
}
template <class T>
T shift_right(T a, u32 by) {
  constexpr u32 width = 8 * sizeof(T);
  if (std::is_signed_v<T>) return static_cast<T>(a >> (by >= width ? width - 1 : by));
  return by >= width ? T{0} : static_cast<T>(a >> by);
}

Handler shift(Statement& s) {
  s.to(0, 0, s.type), s.from(1, 1, s.type), s.from(2, 2, Type::B32);
  const bool left = s.op == "shl", sign = is_signed(s.type);
  switch (s.width) {
    case 2:
      return left   ? binary<u16, u16, u32, shift_left<u16>>
             : sign ? Handler{binary<i16, i16, u32, shift_right<i16>>}
                    : binary<u16, u16, u32, shift_right<u16>>;
    case 4:
      return left   ? binary<u32, u32, u32, shift_left<u32>>
             : sign ? Handler{binary<i32, i32, u32, shift_right<i32>>}
                    : binary<u32, u32, u32, shift_right<u32>>;
    case 8:
      return left   ? binary<u64, u64, u32, shift_left<u64>>
             : sign ? Handler{binary<i64, i64, u32, shift_right<i64>>}
                    : binary<u64, u64, u32, shift_right<u64>>;
    default: return nullptr;
  }
}

// shf: 32 bits of the 64 in b:a.
Handler funnel_shift(Statement& s) {
  s.operands(3, Type::B32);
  if (!s.has("wrap")) return nullptr;
  if (s.has("l"))
    return ternary<u32, u32, u32, u32,
                   [](u32 a, u32 b, u32 c) { return static_cast<u32>(((u64{b} << 32 | a) << (c & 31)) >> 32); }>;
  return s.has("r") ? ternary<u32, u32, u32, u32,
                              [](u32 a, u32 b, u32 c) { return static_cast<u32>((u64{b} << 32 | a) >> (c & 31)); }>
                    : nullptr;
}

// Four bytes of b:a, each by a digit of the selector: number, and in its highest bit whether its sign is meant.
u32 permute_bytes(u32 a, u32 b, u32 selector) {
  const u64 bytes = u64{b} << 32 | a;
  u32 result = 0;
  for (u32 k = 0; k < 4; ++k) {
    const u32 digit = selector >> (4 * k);
    u32 byte = static_cast<u32>(bytes >> ((digit & 7) * 8)) & 0xff;
    if (digit & 8) byte = byte & 0x80 ? 0xff : 0;
    result |= byte << (8 * k);
  }
  return result;
}

u32 extract_bits(u32 a, u32 position, u32 length) {
  position &= 255, length &= 255;
  if (position >= 32 || length == 0) return 0;
  return a >> position & (length >= 32 ? ~0u : (1u << length) - 1);
}

// The low bits of a in the place of some of b's. where: position and length in a byte each.
u32 insert_bits(u32 a, u32 b, u32 where) {
  const u32 position = where & 255, length = where >> 8;
  if (position >= 32 || length == 0) return b;
  const u32 mask = (length >= 32 ? ~0u : (1u << length) - 1) << position;
  return (b & ~mask) | (a << position & mask);
}

// bfi.b32 d, a, b, position, length: compilers write the last two as numbers.
Handler insertion(Statement& s) {
  if (s.width != 4 || s.x.size() != 5) return nullptr;
  const auto number = [](const std::string& text) { return static_cast<u32>(std::stoul(text, nullptr, 0)) & 255; };
  for (const std::string& text : {s.x[3], s.x[4]})
    if (text.empty() || text[0] < '0' || text[0] > '9') return nullptr;
  const std::string where = std::to_string(number(s.x[3]) | number(s.x[4]) << 8);
  s.x.pop_back();
  s.x.back() = where;
  s.operands(3, Type::B32);
  return ternary<u32, u32, u32, u32, insert_bits>;
}

u32 reverse_bits(u32 a) {
  u32 r = 0;
  for (u32 n = 0; n < 32; ++n) r |= (a >> n & 1) << (31 - n);
  return r;
}

}  // namespace

bool decode_logic(Statement& s) {
  Handler& h = s.i.handler;
  if (s.op == "and") {
    h = logic<And>(s);
  } else if (s.op == "or") {
    h = logic<Or>(s);
  } else if (s.op == "xor") {
    h = logic<Xor>(s);
  } else if (s.op == "not") {
    h = complement(s);
  } else if (s.op == "shl" || s.op == "shr") {
    h = shift(s);
  } else if (s.op == "shf") {
    h = funnel_shift(s);
  } else if (s.op == "prmt") {
    s.operands(3, Type::B32);
    h = ternary<u32, u32, u32, u32, permute_bytes>;
  } else if (s.op == "bfe") {
    s.operands(3, Type::B32);
    if (s.type == Type::U32) h = ternary<u32, u32, u32, u32, extract_bits>;
  } else if (s.op == "bfi") {
    h = insertion(s);
  } else if (s.op == "popc" || s.op == "clz" || s.op == "brev") {
    s.operands(1, Type::B32);
    if (s.width == 4)
      h = s.op == "popc"  ? unary<u32, u32, [](u32 a) { return static_cast<u32>(std::popcount(a)); }>
          : s.op == "clz" ? Handler{unary<u32, u32, [](u32 a) { return static_cast<u32>(std::countl_zero(a)); }>}
                          : unary<u32, u32, reverse_bits>;
  } else {
    return false;
  }
  return true;
}

}  // namespace tessera::ptx

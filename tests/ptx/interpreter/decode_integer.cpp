// Integer arithmetic (PTX ISA 9.7.1). Sums and products are the same bits signed and unsigned.
#include <algorithm>
#include <type_traits>

#include "tests/ptx/interpreter/decoder.h"
#include "tests/ptx/interpreter/lanes.h"

namespace tessera::ptx {
namespace {

template <template <class> class Operation>
Handler by_width(u32 width) {
  switch (width) {
    case 2: return binary<u16, u16, u16, Operation<u16>::of>;
    case 4: return binary<u32, u32, u32, Operation<u32>::of>;
    case 8: return binary<u64, u64, u64, Operation<u64>::of>;
    default: return nullptr;
  }
}
template <template <class> class Operation>
Handler by_type(Type t) {
  switch (t) {
    case Type::S16: return binary<i16, i16, i16, Operation<i16>::of>;
    case Type::U16: return binary<u16, u16, u16, Operation<u16>::of>;
    case Type::S32: return binary<i32, i32, i32, Operation<i32>::of>;
    case Type::U32: return binary<u32, u32, u32, Operation<u32>::of>;
    case Type::S64: return binary<i64, i64, i64, Operation<i64>::of>;
    case Type::U64: return binary<u64, u64, u64, Operation<u64>::of>;
    default: return nullptr;
  }
}

template <class T>
struct Add {
  static T of(T a, T b) { return static_cast<T>(a + b); }
};
template <class T>
struct Subtract {
  static T of(T a, T b) { return static_cast<T>(a - b); }
};
template <class T>
struct Multiply {
  static T of(T a, T b) { return static_cast<T>(u64{a} * b); }
};
template <class T>
struct Least {
  static T of(T a, T b) { return std::min(a, b); }
};
template <class T>
struct Most {
  static T of(T a, T b) { return std::max(a, b); }
};
// By zero: undefined in PTX; all ones, and the dividend as the remainder, are what GPUs give.
template <class T>
struct Divide {
  static T of(T a, T b) {
    if (b == 0) return static_cast<T>(~T{0});
    if (std::is_signed_v<T> && b == static_cast<T>(-1)) return static_cast<T>(u64{0} - static_cast<u64>(a));
    return static_cast<T>(a / b);
  }
};
template <class T>
struct Remainder {
  static T of(T a, T b) {
    if (b == 0) return a;
    if (std::is_signed_v<T> && b == static_cast<T>(-1)) return T{0};
    return static_cast<T>(a % b);
  }
};

template <class Wide, class T>
Handler wide_product() {
  return binary<Wide, T, T, [](T a, T b) { return static_cast<Wide>(static_cast<Wide>(a) * static_cast<Wide>(b)); }>;
}
template <class Wide, class T>
Handler high_product() {
  return binary<T, T, T, [](T a, T b) { return static_cast<T>(static_cast<Wide>(a) * b >> (8 * sizeof(T))); }>;
}
__extension__ using i128 = __int128;
__extension__ using u128 = unsigned __int128;

Handler multiply(Statement& s) {
  if (s.has("wide")) {
    s.to(0, 0, bits_of_width(2 * s.width)), s.from(1, 1, s.type), s.from(2, 2, s.type);
    switch (s.type) {
      case Type::S16: return wide_product<i32, i16>();
      case Type::U16: return wide_product<u32, u16>();
      case Type::S32: return wide_product<i64, i32>();
      case Type::U32: return wide_product<u64, u32>();
      default: return nullptr;
    }
  }
  s.operands(2);
  if (s.has("hi")) {
    switch (s.type) {
      case Type::S32: return high_product<i64, i32>();
      case Type::U32: return high_product<u64, u32>();
      case Type::S64: return high_product<i128, i64>();
      case Type::U64: return high_product<u128, u64>();
      default: return nullptr;
    }
  }
  return s.has("lo") ? by_width<Multiply>(s.width) : nullptr;
}

Handler multiply_add(Statement& s) {
  if (s.has("wide")) {
    s.to(0, 0, Type::B64), s.from(1, 1, s.type), s.from(2, 2, s.type), s.from(3, 3, Type::B64);
    if (s.type == Type::S32) return ternary<i64, i32, i32, i64, [](i32 a, i32 b, i64 c) { return i64{a} * b + c; }>;
    if (s.type == Type::U32) return ternary<u64, u32, u32, u64, [](u32 a, u32 b, u64 c) { return u64{a} * b + c; }>;
    return nullptr;
  }
  s.operands(3);
  if (!s.has("lo")) return nullptr;
  switch (s.width) {
    case 2: return ternary<u16, u16, u16, u16, [](u16 a, u16 b, u16 c) { return static_cast<u16>(u32{a} * b + c); }>;
    case 4: return ternary<u32, u32, u32, u32, [](u32 a, u32 b, u32 c) { return a * b + c; }>;
    default: return ternary<u64, u64, u64, u64, [](u64 a, u64 b, u64 c) { return a * b + c; }>;
  }
}

Handler negate(u32 width) {
  switch (width) {
    case 2: return unary<u16, u16, [](u16 a) { return static_cast<u16>(-a); }>;
    case 4: return unary<u32, u32, [](u32 a) { return 0u - a; }>;
    default: return unary<u64, u64, [](u64 a) { return u64{0} - a; }>;
  }
}
Handler absolute(Type t) {
  if (t == Type::S32) return unary<u32, i32, [](i32 a) { return a < 0 ? 0u - static_cast<u32>(a) : static_cast<u32>(a); }>;
  if (t == Type::S64)
    return unary<u64, i64, [](i64 a) { return a < 0 ? u64{0} - static_cast<u64>(a) : static_cast<u64>(a); }>;
  return nullptr;
}

}  // namespace

bool decode_integer(Statement& s) {
  if (is_float(s.type)) return false;
  Handler& h = s.i.handler;
  if (s.op == "add" || s.op == "sub") {
    s.operands(2);
    h = s.op == "add" ? by_width<Add>(s.width) : by_width<Subtract>(s.width);
  } else if (s.op == "mul") {
    h = multiply(s);
  } else if (s.op == "mad") {
    h = multiply_add(s);
  } else if (s.op == "div" || s.op == "rem") {
    s.operands(2);
    h = s.op == "div" ? by_type<Divide>(s.type) : by_type<Remainder>(s.type);
  } else if (s.op == "min" || s.op == "max") {
    s.operands(2);
    h = s.op == "min" ? by_type<Least>(s.type) : by_type<Most>(s.type);
  } else if (s.op == "neg" || s.op == "abs") {
    s.operands(1);
    h = s.op == "neg" ? negate(s.width) : absolute(s.type);
  } else {
    return false;
  }
  return true;
}

}  // namespace tessera::ptx

// cvt (PTX ISA 9.7.9.21) and cvta. A source register may be wider than the type it is read as, and a destination register
// wider than the type it is given, which is then extended.
#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "tests/ptx/interpreter/decoder.h"
#include "tests/ptx/interpreter/lanes.h"

namespace tessera::ptx {
namespace {

constexpr u32 magnitude_bits = 0x7fffffffu, infinity_bits = 0x7f800000u;

u16 to_bf16(f32 x) {  // .rn: to nearest, ties to even
  const u32 b = std::bit_cast<u32>(x);
  if ((b & magnitude_bits) > infinity_bits) return 0x7fff;
  const u32 rest = b & 0xffff, kept = b >> 16;
  return static_cast<u16>(kept + (rest > 0x8000 || (rest == 0x8000 && (kept & 1))));
}
u32 to_bf16x2(f32 high, f32 low) { return u32{to_bf16(high)} << 16 | to_bf16(low); }

u32 to_tf32(f32 x) {  // .rna: to nearest, ties away from zero
  const u32 b = std::bit_cast<u32>(x), magnitude = b & magnitude_bits;
  if (magnitude > infinity_bits) return magnitude_bits;
  if (magnitude == infinity_bits) return b;
  const u32 kept = (magnitude & ~0x1fffu) + ((magnitude & 0x1000) ? 0x2000u : 0u);
  constexpr u32 something = 0x0aaa;  // the low 13 bits mean nothing: who relies on zeros there is found
  return (b & ~magnitude_bits) | kept | (kept < infinity_bits ? something : 0u);
}

enum class Rounding { nearest, zero, down, up };
template <Rounding mode, class T>
T round_to(T x) {
  switch (mode) {
    case Rounding::nearest: return std::nearbyint(x);
    case Rounding::zero: return std::trunc(x);
    case Rounding::down: return std::floor(x);
    case Rounding::up: return std::ceil(x);
  }
}
// Beyond the range: the nearest end of it; NaN: 0, of 64 bits the sign bit.
template <Rounding mode, class D, class S>
D to_integer(S x) {
  if (x != x) return sizeof(D) == 8 ? static_cast<D>(u64{1} << 63) : D{0};
  const double r = round_to<mode>(static_cast<double>(x));
  if (r <= static_cast<double>(std::numeric_limits<D>::min())) return std::numeric_limits<D>::min();
  if (r >= static_cast<double>(std::numeric_limits<D>::max())) return std::numeric_limits<D>::max();
  return static_cast<D>(r);
}
template <class D, class S>
Handler float_to_integer(Statement& s) {
  if (s.has("rni")) return unary<D, S, to_integer<Rounding::nearest, D, S>>;
  if (s.has("rzi")) return unary<D, S, to_integer<Rounding::zero, D, S>>;
  if (s.has("rmi")) return unary<D, S, to_integer<Rounding::down, D, S>>;
  if (s.has("rpi")) return unary<D, S, to_integer<Rounding::up, D, S>>;
  return nullptr;
}
template <class S>
Handler float_to_integer(Statement& s, Type to) {
  switch (to) {
    case Type::S32: return float_to_integer<i32, S>(s);
    case Type::U32: return float_to_integer<u32, S>(s);
    case Type::S64: return float_to_integer<i64, S>(s);
    case Type::U64: return float_to_integer<u64, S>(s);
    default: return nullptr;
  }
}
template <class D>
Handler integer_to_float(Type from) {
  switch (from) {
    case Type::S16: return unary<D, i16, [](i16 a) { return static_cast<D>(a); }>;
    case Type::U16: return unary<D, u16, [](u16 a) { return static_cast<D>(a); }>;
    case Type::S32: return unary<D, i32, [](i32 a) { return static_cast<D>(a); }>;
    case Type::U32: return unary<D, u32, [](u32 a) { return static_cast<D>(a); }>;
    case Type::S64: return unary<D, i64, [](i64 a) { return static_cast<D>(a); }>;
    case Type::U64: return unary<D, u64, [](u64 a) { return static_cast<D>(a); }>;
    default: return nullptr;
  }
}
Handler float_to_float(Statement& s) {
  if (s.has("sat")) return unary<f32, f32, [](f32 a) { return 0 < a ? (a < 1 ? a : 1.0f) : 0.0f; }>;  // NaN: 0
  if (s.has("rni")) return unary<f32, f32, round_to<Rounding::nearest, f32>>;
  if (s.has("rzi")) return unary<f32, f32, round_to<Rounding::zero, f32>>;
  if (s.has("rmi")) return unary<f32, f32, round_to<Rounding::down, f32>>;
  if (s.has("rpi")) return unary<f32, f32, round_to<Rounding::up, f32>>;
  return nullptr;
}

// An integer type as what it does to 64 bits: it keeps the lowest and extends them by 0 or by their sign.
struct Extension {
  u64 kept, sign;
  explicit Extension(Type t)
      : kept(size_of(t) == 8 ? ~u64{0} : (u64{1} << (8 * size_of(t))) - 1), sign(is_signed(t) ? kept ^ (kept >> 1) : 0) {}
  u64 operator()(u64 x) const { return ((x & kept) ^ sign) - sign; }
};

// at[0] = at[1], read as the type in the lower byte of `target`, narrowed or extended to that in the next one.
template <class R, class A>
void convert_integer(Warp& w, const Instruction& i) {
  const Extension from(static_cast<Type>(i.target & 0xff)), to(static_cast<Type>(i.target >> 8));
  R* const d = w.to<R>(i.at[0]);
  const A* const a = w.from<A>(i.at[1]);
  TESSERA_PTX_EACH_LANE {
    const R v = static_cast<R>(to(from(a[l])));
    d[l] = (w.mask >> l & 1) ? v : d[l];
  }
}
template <class A>
Handler integer_to_register(u32 bytes) {
  return bytes == 2 ? convert_integer<u16, A> : bytes == 4 ? Handler{convert_integer<u32, A>} : convert_integer<u64, A>;
}
Handler integer_to_integer(Statement& s, u32 source_bytes, Type to, u32 bytes) {
  s.i.target = static_cast<u32>(s.type) | static_cast<u32>(to) << 8;
  return source_bytes == 2   ? integer_to_register<u16>(bytes)
         : source_bytes == 4 ? integer_to_register<u32>(bytes)
                             : integer_to_register<u64>(bytes);
}

Handler convert(Statement& s) {
  const std::string& target = s.parts.at(s.parts.size() - 2);
  const Type to = type_named(target), from = s.type;
  if (target == "tf32") {
    s.to(0, 0, Type::B32), s.from(1, 1, Type::F32);
    s.accept({"tf32"});
    return s.has("rna") ? unary<u32, f32, to_tf32> : nullptr;
  }
  if (to == Type::BF16X2 && from == Type::F32) {  // the first source goes to the upper half
    s.to(0, 0, Type::B32), s.from(1, 1, Type::F32), s.from(2, 2, Type::F32);
    return s.has("rn") ? binary<u32, f32, f32, to_bf16x2> : nullptr;
  }
  const Decoder::Register& d = s.decoder.require(s.x.at(0));
  const Decoder::Register* const source = s.decoder.find(s.x.at(1));
  const u32 bytes = size_of(d.type), source_bytes = source ? size_of(source->type) : std::max(size_of(from), 2u);
  s.i.at[0] = s.decoder.defined(d);
  s.i.at[1] = source ? s.decoder.used(*source) : s.decoder.source(s.x[1], bits_of_width(source_bytes));
  if (size_of(to) > bytes || size_of(from) > source_bytes) return nullptr;
  if (!is_float(from) && !is_float(to) && from != Type::BF16 && to != Type::BF16)
    return integer_to_integer(s, source_bytes, to, bytes);
  if (source_bytes != size_of(from) || bytes != size_of(to)) return nullptr;
  if (to == Type::BF16 && from == Type::F32) return s.has("rn") ? unary<u16, f32, to_bf16> : nullptr;
  if (to == Type::F32 && from == Type::F32) return float_to_float(s);
  if (to == Type::F64 && from == Type::F32) return unary<f64, f32, [](f32 a) { return static_cast<f64>(a); }>;
  if (to == Type::F32 && from == Type::F64)
    return s.has("rn") ? unary<f32, f64, [](f64 a) { return static_cast<f32>(a); }> : nullptr;
  if (from == Type::F32) return float_to_integer<f32>(s, to);
  if (from == Type::F64) return float_to_integer<f64>(s, to);
  if (!s.has("rn")) return nullptr;
  return to == Type::F32 ? integer_to_float<f32>(from) : to == Type::F64 ? integer_to_float<f64>(from) : nullptr;
}

}  // namespace

bool decode_convert(Statement& s) {
  if (s.op == "cvt") {
    s.i.handler = convert(s);
  } else if (s.op == "cvta") {  // between generic addresses and those of a space; global ones are the same
    s.operands(1);
    const bool to = s.has("to");
    if (s.has("global")) s.i.handler = unary<u64, u64, [](u64 a) { return a; }>;
    if (s.has("shared"))
      s.i.handler = to ? unary<u64, u64, [](u64 a) { return a - shared_window; }>
                       : Handler{unary<u64, u64, [](u64 a) { return a + shared_window; }>};
  } else {
    return false;
  }
  return true;
}

}  // namespace tessera::ptx

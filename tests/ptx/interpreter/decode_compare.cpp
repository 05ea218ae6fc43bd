// setp and selp (PTX ISA 9.7.7).
#include <string>
#include <type_traits>

#include "tests/ptx/interpreter/decoder.h"
#include "tests/ptx/interpreter/lanes.h"

namespace tessera::ptx {
namespace {

// With a NaN every comparison is false, but those that end in u ("unordered"), which are true.
template <class A>
Handler unordered(const std::string& c) {
  if (c == "equ") return compare<A, [](A a, A b) { return !((a < b) || (b < a)); }>;
  if (c == "neu") return compare<A, [](A a, A b) { return a != b; }>;
  if (c == "ltu") return compare<A, [](A a, A b) { return !(a >= b); }>;
  if (c == "leu") return compare<A, [](A a, A b) { return !(b < a); }>;
  if (c == "gtu") return compare<A, [](A a, A b) { return !(a <= b); }>;
  if (c == "geu") return compare<A, [](A a, A b) { return !(a < b); }>;
  if (c == "num") return compare<A, [](A a, A b) { return a == a && b == b; }>;
  if (c == "nan") return compare<A, [](A a, A b) { return a != a || b != b; }>;
  return nullptr;
}

template <class A>
Handler comparison(const std::string& c) {
  if (c == "eq") return compare<A, [](A a, A b) { return a == b; }>;
  if (c == "ne") return compare<A, [](A a, A b) { return (a < b) || (b < a); }>;
  if (c == "lt" || c == "lo") return compare<A, [](A a, A b) { return a < b; }>;
  if (c == "le" || c == "ls") return compare<A, [](A a, A b) { return a <= b; }>;
  if (c == "gt" || c == "hi") return compare<A, [](A a, A b) { return b < a; }>;
  if (c == "ge" || c == "hs") return compare<A, [](A a, A b) { return a >= b; }>;
  if constexpr (std::is_floating_point_v<A>) return unordered<A>(c);
  return nullptr;
}

Handler comparison(Type t, const std::string& c) {
  switch (t) {
    case Type::S16: return comparison<i16>(c);
    case Type::U16:
    case Type::B16: return comparison<u16>(c);
    case Type::S32: return comparison<i32>(c);
    case Type::U32:
    case Type::B32: return comparison<u32>(c);
    case Type::S64: return comparison<i64>(c);
    case Type::U64:
    case Type::B64: return comparison<u64>(c);
    case Type::F32: return comparison<f32>(c);
    case Type::F64: return comparison<f64>(c);
    default: return nullptr;
  }
}

}  // namespace

bool decode_compare(Statement& s) {
  if (s.op == "setp") {  // setp.lt.s32 p|q, a, b
    const auto results = split(s.x.at(0), '|');
    s.i.at[0] = s.decoder.destination(results[0], Type::pred);
    if (results.size() > 1) s.i.at[3] = s.decoder.destination(results[1], Type::pred);
    s.from(1, 1, s.type), s.from(2, 2, s.type);
    s.accept({s.parts.at(1).c_str()});
    s.i.handler = comparison(s.type, s.parts.at(1));
  } else if (s.op == "selp") {
    s.to(0, 0, s.type), s.from(1, 1, s.type), s.from(2, 2, s.type), s.from(3, 3, Type::pred);
    s.i.handler = s.width == 2 ? select<u16> : s.width == 4 ? Handler{select<u32>} : s.width == 8 ? select<u64> : nullptr;
  } else {
    return false;
  }
  return true;
}

}  // namespace tessera::ptx

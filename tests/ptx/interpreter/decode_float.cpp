// Floating point (PTX ISA 9.7.3). Approximate functions are computed to the last bit here; a GPU's may differ in a few.
#include <cfenv>
#include <cmath>

#include "tests/ptx/interpreter/decoder.h"
#include "tests/ptx/interpreter/lanes.h"

namespace tessera::ptx {
namespace {

template <class T>
T add(T a, T b) {
  return a + b;
}
template <class T>
T subtract(T a, T b) {
  return a - b;
}
template <class T>
T multiply(T a, T b) {
  return a * b;
}
template <class T>
T divide(T a, T b) {
  return a / b;
}
// Where one operand is NaN, the other; −0 is less than 0.
template <class T>
T least(T a, T b) {
  if (a != a) return b;
  if (b != b) return a;
  return a == b ? (std::signbit(a) ? a : b) : a < b ? a : b;
}
template <class T>
T most(T a, T b) {
  if (a != a) return b;
  if (b != b) return a;
  return a == b ? (std::signbit(a) ? b : a) : a < b ? b : a;
}
f32 flush(f32 x) { return std::fabs(x) < 0x1p-126f ? std::copysign(0.0f, x) : x; }  // .ftz

template <f32 (*f)(f32, f32), f64 (*d)(f64, f64)>
Handler two(const Statement& s) {
  return s.type == Type::F32 ? Handler{binary<f32, f32, f32, f>} : Handler{binary<f64, f64, f64, d>};
}

// .rn or none, .rz, .rm (down), .rp (up) of a handler of f32
template <Handler plain>
Handler rounded(Statement& s) {
  s.accept({"rn"});
  if (s.has("rz")) return with_rounding<plain, FE_TOWARDZERO>;
  if (s.has("rm")) return with_rounding<plain, FE_DOWNWARD>;
  if (s.has("rp")) return with_rounding<plain, FE_UPWARD>;
  return plain;
}

Handler fused(Statement& s) {
  if (s.type == Type::F64) {
    s.accept({"rn"});
    return ternary<f64, f64, f64, f64, [](f64 a, f64 b, f64 c) { return __builtin_fma(a, b, c); }>;
  }
  return rounded<ternary<f32, f32, f32, f32, [](f32 a, f32 b, f32 c) { return __builtin_fmaf(a, b, c); }>>(s);
}

// A function of float, computed in double: exact but for the last rounding.
template <double (*f)(double)>
Handler approximated(Statement& s) {
  if (s.type != Type::F32) return nullptr;
  s.accept({"approx"});
  if (s.has("ftz")) return unary<f32, f32, [](f32 a) { return flush(static_cast<f32>(f(static_cast<double>(flush(a))))); }>;
  return unary<f32, f32, [](f32 a) { return static_cast<f32>(f(static_cast<double>(a))); }>;
}
double reciprocal(double x) { return 1 / x; }
double reciprocal_root(double x) { return 1 / std::sqrt(x); }

Handler sign_bits(const Statement& s) {
  constexpr u32 sign = 0x80000000u;
  constexpr u64 wide_sign = u64{1} << 63;
  if (s.type == Type::F32)
    return s.op == "neg" ? Handler{unary<u32, u32, [](u32 a) { return a ^ sign; }>}
                         : Handler{unary<u32, u32, [](u32 a) { return a & ~sign; }>};
  return s.op == "neg" ? Handler{unary<u64, u64, [](u64 a) { return a ^ wide_sign; }>}
                       : Handler{unary<u64, u64, [](u64 a) { return a & ~wide_sign; }>};
}

}  // namespace

bool decode_float(Statement& s) {
  if (!is_float(s.type)) return false;
  const bool wide = s.type == Type::F64;
  Handler& h = s.i.handler;
  if (s.op == "add" || s.op == "sub") {
    s.operands(2);
    if (wide) {
      s.accept({"rn"});
      h = two<add, add>(s);
      if (s.op == "sub") h = two<subtract, subtract>(s);
    } else {
      h = s.op == "add" ? rounded<binary<f32, f32, f32, add<f32>>>(s) : rounded<binary<f32, f32, f32, subtract<f32>>>(s);
    }
  } else if (s.op == "mul") {
    s.operands(2), s.accept({"rn"});
    h = two<multiply, multiply>(s);
  } else if (s.op == "fma") {
    s.operands(3);
    h = fused(s);
  } else if (s.op == "div") {
    s.operands(2), s.accept({"rn", "full"});
    h = two<divide, divide>(s);
  } else if (s.op == "min" || s.op == "max") {
    s.operands(2);
    h = s.op == "min" ? two<least, least>(s) : two<most, most>(s);
  } else if (s.op == "neg" || s.op == "abs") {
    s.operands(1);
    h = sign_bits(s);
  } else if (s.op == "copysign") {  // the sign of the first, the magnitude of the second
    s.operands(2);
    if (!wide) h = binary<u32, u32, u32, [](u32 a, u32 b) { return (a & 0x80000000u) | (b & 0x7fffffffu); }>;
  } else if (s.op == "sqrt") {
    s.operands(1), s.accept({"rn", "approx"});
    h = wide ? Handler{unary<f64, f64, [](f64 a) { return std::sqrt(a); }>}
             : unary<f32, f32, [](f32 a) { return std::sqrt(a); }>;
  } else if (s.op == "rcp") {
    s.operands(1), s.accept({"rn"});
    h = wide ? Handler{unary<f64, f64, [](f64 a) { return 1.0 / a; }>} : approximated<reciprocal>(s);
  } else if (s.op == "rsqrt") {
    s.operands(1);
    h = approximated<reciprocal_root>(s);
  } else if (s.op == "ex2") {
    s.operands(1);
    h = approximated<std::exp2>(s);
  } else if (s.op == "lg2") {
    s.operands(1);
    h = approximated<std::log2>(s);
  } else if (s.op == "tanh") {
    s.operands(1);
    h = approximated<std::tanh>(s);
  } else {
    return false;
  }
  return true;
}

}  // namespace tessera::ptx

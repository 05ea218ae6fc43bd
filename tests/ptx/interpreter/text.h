// PTX as text: its words, its types, and what is said where it cannot be decoded.
#pragma once

#include <stdexcept>
#include <string>
#include <vector>

#include "tests/ptx/interpreter/types.h"

namespace tessera::ptx {

struct DecodeError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

std::string trim(const std::string& s);
// At `by`, but not inside of brackets; the parts trimmed.
std::vector<std::string> split(const std::string& s, char by);
// "12", "-1", "0x1f", "0f3F800000": the bits, sign-extended.
bool is_number(const std::string& s);
u64 number(const std::string& s);

enum class Type : u8 { pred, S8, U8, B8, S16, U16, B16, S32, U32, B32, S64, U64, B64, F32, F64, F16, BF16, BF16X2, unknown };

Type type_named(const std::string& name);  // Type::unknown where there is none of this name
u32 size_of(Type t);                       // bytes; 0 for a predicate
bool is_signed(Type t);
inline bool is_float(Type t) { return t == Type::F32 || t == Type::F64; }
Type bits_of_width(u32 bytes);  // b16, b32, b64

}  // namespace tessera::ptx

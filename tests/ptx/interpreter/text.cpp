#include "tests/ptx/interpreter/text.h"

#include <cctype>
#include <cstdlib>
#include <map>

namespace tessera::ptx {

std::string trim(const std::string& s) {
  const auto begin = s.find_first_not_of(" \t\r\n"), end = s.find_last_not_of(" \t\r\n");
  return begin == std::string::npos ? "" : s.substr(begin, end - begin + 1);
}

std::vector<std::string> split(const std::string& s, char by) {
  std::vector<std::string> parts;
  std::string part;
  int depth = 0;
  for (const char c : s) {
    if (c == '{' || c == '[' || c == '(') ++depth;
    if (c == '}' || c == ']' || c == ')') --depth;
    if (c == by && depth == 0) {
      parts.push_back(trim(part));
      part.clear();
    } else {
      part += c;
    }
  }
  if (!trim(part).empty()) parts.push_back(trim(part));
  return parts;
}

bool is_number(const std::string& s) {
  return !s.empty() && (std::isdigit(static_cast<unsigned char>(s[0])) || (s[0] == '-' && s.size() > 1));
}

u64 number(const std::string& s) {
  const bool real = s.size() > 2 && s[0] == '0' && std::string("fFdD").find(s[1]) != std::string::npos;
  if (real) return std::strtoull(s.c_str() + 2, nullptr, 16);
  return s[0] == '-' ? static_cast<u64>(std::strtoll(s.c_str(), nullptr, 0)) : std::strtoull(s.c_str(), nullptr, 0);
}

Type type_named(const std::string& name) {
  static const std::map<std::string, Type> types = {
      {"pred", Type::pred}, {"s8", Type::S8},     {"u8", Type::U8},        {"b8", Type::B8},   {"s16", Type::S16},
      {"u16", Type::U16},   {"b16", Type::B16},   {"s32", Type::S32},      {"u32", Type::U32}, {"b32", Type::B32},
      {"s64", Type::S64},   {"u64", Type::U64},   {"b64", Type::B64},      {"f32", Type::F32}, {"f64", Type::F64},
      {"f16", Type::F16},   {"bf16", Type::BF16}, {"bf16x2", Type::BF16X2}};
  const auto found = types.find(name);
  return found == types.end() ? Type::unknown : found->second;
}

u32 size_of(Type t) {
  switch (t) {
    case Type::S8:
    case Type::U8:
    case Type::B8: return 1;
    case Type::S16:
    case Type::U16:
    case Type::B16:
    case Type::F16:
    case Type::BF16: return 2;
    case Type::S32:
    case Type::U32:
    case Type::B32:
    case Type::F32:
    case Type::BF16X2: return 4;
    case Type::S64:
    case Type::U64:
    case Type::B64:
    case Type::F64: return 8;
    case Type::pred:
    case Type::unknown: break;
  }
  return 0;
}

bool is_signed(Type t) { return t == Type::S8 || t == Type::S16 || t == Type::S32 || t == Type::S64; }

Type bits_of_width(u32 bytes) { return bytes == 8 ? Type::B64 : bytes == 4 ? Type::B32 : Type::B16; }

}  // namespace tessera::ptx

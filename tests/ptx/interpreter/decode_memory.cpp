// Loads, stores and atomics (PTX ISA 9.7.9 and 9.7.13). Parameters that are read at fixed places are constants here.
#include "tests/ptx/interpreter/access.h"
#include "tests/ptx/interpreter/decoder.h"

namespace tessera::ptx {
namespace {

template <Space space, class M>
Handler load_into(u32 bytes) {
  switch (bytes) {
    case 2: return sizeof(M) <= 2 ? load<space, M, u16> : nullptr;
    case 4: return sizeof(M) <= 4 ? load<space, M, u32> : nullptr;
    default: return load<space, M, u64>;
  }
}
template <Space space>
Handler load_of(Type t, u32 register_bytes) {
  switch (t) {
    case Type::S8: return load_into<space, i8>(register_bytes);
    case Type::U8:
    case Type::B8: return load_into<space, u8>(register_bytes);
    case Type::S16: return load_into<space, i16>(register_bytes);
    case Type::U16:
    case Type::B16: return load_into<space, u16>(register_bytes);
    case Type::S32: return load_into<space, i32>(register_bytes);
    case Type::U32:
    case Type::B32:
    case Type::F32: return load_into<space, u32>(register_bytes);
    case Type::S64:
    case Type::U64:
    case Type::B64:
    case Type::F64: return load_into<space, u64>(register_bytes);
    default: return nullptr;
  }
}
template <Space space, class M>
Handler store_from(u32 bytes) {
  switch (bytes) {
    case 2: return sizeof(M) <= 2 ? store<space, M, u16> : nullptr;
    case 4: return sizeof(M) <= 4 ? store<space, M, u32> : nullptr;
    default: return store<space, M, u64>;
  }
}
template <Space space>
Handler store_of(Type t, u32 register_bytes) {
  switch (size_of(t)) {
    case 1: return store_from<space, u8>(register_bytes);
    case 2: return store_from<space, u16>(register_bytes);
    case 4: return store_from<space, u32>(register_bytes);
    case 8: return store_from<space, u64>(register_bytes);
    default: return nullptr;
  }
}

template <Space space>
Handler atomic_of(const std::string& op, Type t) {
  const bool word = size_of(t) == 4, wide = size_of(t) == 8;
  if (op == "add" && t == Type::F32) return atomic<space, f32, [](f32 v, f32 a, f32) { return v + a; }>;
  if (op == "add" && t == Type::F64) return atomic<space, f64, [](f64 v, f64 a, f64) { return v + a; }>;
  if (op == "add" && word) return atomic<space, u32, [](u32 v, u32 a, u32) { return v + a; }>;
  if (op == "add" && wide) return atomic<space, u64, [](u64 v, u64 a, u64) { return v + a; }>;
  if (op == "exch" && word) return atomic<space, u32, [](u32, u32 a, u32) { return a; }>;
  if (op == "cas" && word) return atomic<space, u32, [](u32 v, u32 a, u32 b) { return v == a ? b : v; }>;
  if (op == "cas" && wide) return atomic<space, u64, [](u64 v, u64 a, u64 b) { return v == a ? b : v; }>;
  if (op == "or" && word) return atomic<space, u32, [](u32 v, u32 a, u32) { return v | a; }>;
  if (op == "and" && word) return atomic<space, u32, [](u32 v, u32 a, u32) { return v & a; }>;
  if (op == "max" && t == Type::S32) return atomic<space, i32, [](i32 v, i32 a, i32) { return a < v ? v : a; }>;
  if (op == "max" && t == Type::U32) return atomic<space, u32, [](u32 v, u32 a, u32) { return a < v ? v : a; }>;
  if (op == "min" && t == Type::S32) return atomic<space, i32, [](i32 v, i32 a, i32) { return v < a ? v : a; }>;
  if (op == "min" && t == Type::U32) return atomic<space, u32, [](u32 v, u32 a, u32) { return v < a ? v : a; }>;
  return nullptr;
}

// ld.param at a fixed place: at[4 + n] are constants, one for each element.
void load_parameters(Warp& w, const Instruction& i) {
  for (u32 n = 0; n < i.count; ++n)
    TESSERA_PTX_LANES if (w.mask >> l & 1)
        std::memcpy(w.to<char>(i.at[n]) + l * i.size, w.from<char>(i.at[4 + n]) + l * i.size, i.size);
}

void set_vector_size(Statement& s, std::size_t count) {
  const char* const vector = count == 1 ? nullptr : count == 2 ? "v2" : count == 4 ? "v4" : "";
  if (vector && !s.has(vector)) throw DecodeError("another number of elements");
  s.i.count = static_cast<u8>(count);
}

void load_parameter(Statement& s) {
  const std::vector<std::string> values = Statement::elements(s.x.at(0));
  set_vector_size(s, values.size());
  const Address a(s.x.at(1));
  if (s.decoder.find(a.base)) {  // indexed: by its address
    for (std::size_t n = 0; n < values.size(); ++n) s.i.at[n] = s.decoder.defined(s.decoder.require(values[n]));
    s.address(s.x[1]);
    s.i.handler = load_of<Space::parameter>(s.type, size_of(s.decoder.require(values[0]).type));
    return;
  }
  const auto p = s.decoder.kernel.parameter_by_name.find(a.base);
  if (p == s.decoder.kernel.parameter_by_name.end()) throw DecodeError("there is no parameter " + a.base);
  for (std::size_t n = 0; n < values.size(); ++n) {
    const Decoder::Register& r = s.decoder.require(values[n]);
    const u32 offset = static_cast<u32>(a.offset) + static_cast<u32>(n) * s.width;
    s.i.at[n] = s.decoder.defined(r);
    s.i.at[4 + n] = s.decoder.parameter(p->second, offset, s.width, size_of(r.type), is_signed(s.type));
    s.i.size = static_cast<u8>(size_of(r.type));
  }
  s.i.handler = load_parameters;
}

void load_or_store(Statement& s) {
  const bool is_load = s.op == "ld";
  const std::vector<std::string> values = Statement::elements(s.x.at(is_load ? 0 : 1));
  set_vector_size(s, values.size());
  u32 register_bytes = s.width < 2 ? 2 : s.width;
  for (const std::string& value : values)
    if (const Decoder::Register* const r = s.decoder.find(value)) register_bytes = size_of(r->type);
  for (std::size_t n = 0; n < values.size(); ++n)
    s.i.at[n] = is_load ? s.decoder.destination(values[n], bits_of_width(register_bytes))
                        : s.decoder.source(values[n], bits_of_width(register_bytes));
  s.i.noncoherent = s.has("nc");
  s.address(s.x[is_load ? 1 : 0]);
  s.accept({"volatile", "relaxed", "cta", "gpu"});
  if (s.has("global"))
    s.i.handler = is_load ? load_of<Space::global>(s.type, register_bytes) : store_of<Space::global>(s.type, register_bytes);
  else if (s.has("shared"))
    s.i.handler = is_load ? load_of<Space::shared>(s.type, register_bytes) : store_of<Space::shared>(s.type, register_bytes);
  else
    s.i.handler =
        is_load ? load_of<Space::generic>(s.type, register_bytes) : store_of<Space::generic>(s.type, register_bytes);
}

void read_modify_write(Statement& s) {  // atom d, [a], b (, c); red [a], b
  std::size_t n = 0;
  if (s.op == "atom") s.to(0, n++, s.type);
  s.address(s.x.at(n++));
  s.from(1, n++, s.type);
  if (n < s.x.size()) s.from(2, n, s.type);
  s.accept({"relaxed", "gpu", "cta"});
  const std::string& what = s.parts.at(s.parts.size() - 2);
  s.accept({what.c_str()});
  s.i.handler = s.has("shared")   ? atomic_of<Space::shared>(what, s.type)
                : s.has("global") ? atomic_of<Space::global>(what, s.type)
                                  : atomic_of<Space::generic>(what, s.type);
}

}  // namespace

bool decode_memory(Statement& s) {
  if (s.op == "ld" && s.has("param"))
    load_parameter(s);
  else if (s.op == "ld" || s.op == "st")
    load_or_store(s);
  else if (s.op == "atom" || s.op == "red")
    read_modify_write(s);
  else
    return false;
  return true;
}

}  // namespace tessera::ptx

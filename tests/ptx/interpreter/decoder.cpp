#include "tests/ptx/interpreter/decoder.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "tests/ptx/interpreter/control.h"
#include "tests/ptx/interpreter/machine.h"

namespace tessera::ptx {
namespace {

const std::map<std::string, Special>& special_registers() {
  static const std::map<std::string, Special> names = {
      {"%tid.x", Special::tid_x},       {"%tid.y", Special::tid_y},       {"%tid.z", Special::tid_z},
      {"%ntid.x", Special::ntid_x},     {"%ntid.y", Special::ntid_y},     {"%ntid.z", Special::ntid_z},
      {"%ctaid.x", Special::ctaid_x},   {"%ctaid.y", Special::ctaid_y},   {"%ctaid.z", Special::ctaid_z},
      {"%nctaid.x", Special::nctaid_x}, {"%nctaid.y", Special::nctaid_y}, {"%nctaid.z", Special::nctaid_z},
      {"%laneid", Special::laneid},     {"%warpid", Special::warpid}};
  return names;
}

// Under a guard some lanes of a warp would not reach it.
bool is_warp_wide(const std::string& op) {
  for (const char* name : {"bar", "barrier", "shfl", "mma", "ldmatrix", "vote"})
    if (op == name) return true;
  return false;
}

constexpr bool (*families[])(Statement&) = {decode_integer, decode_float,  decode_logic,   decode_compare, decode_convert,
                                            decode_move,    decode_memory, decode_control, decode_matrix};

}  // namespace

// ---- declarations, labels, statements -----------------------------------------------------------------------------------

void Decoder::declare_registers(const std::string& text) {
  const auto dot = text.find('.', 4), end = text.find_first_of(" \t", dot);
  const Type type = type_named(text.substr(dot + 1, end - dot - 1));
  if (type == Type::unknown) throw DecodeError("registers of this type");
  const u32 bytes = type == Type::pred ? 4 : lane_count * size_of(type);
  const auto add = [&](const std::string& name) { scopes_.back()[name] = {type, registers_.add(bytes, false)}; };
  for (const std::string& name : split(text.substr(end), ',')) {
    const auto open = name.find('<');
    const int count = open == std::string::npos ? 0 : std::atoi(name.c_str() + open + 1);
    if (count == 0) add(name);
    for (int n = 0; n < count; ++n) add(name.substr(0, open) + std::to_string(n));
  }
}

void Decoder::label(const std::string& name, SourcePlace where) {
  labels_[name] = static_cast<u32>(kernel.code.size());
  emit(run_label, where, name + ":");
}

Instruction& Decoder::emit(Handler handler, SourcePlace where, const std::string& text) {
  Instruction i;
  std::fill(std::begin(i.at), std::end(i.at), none);
  i.handler = handler, i.line = where.line, i.file = where.file, i.source_line = where.source_line;
  kernel.code.push_back(i);
  kernel.text.push_back(text);
  return kernel.code.back();
}

void Decoder::statement(const std::string& text, SourcePlace where) {
  Instruction& i = emit(nullptr, where, text);
  std::string rest = text;
  if (text[0] == '@') {
    const auto end = text.find_first_of(" \t");
    i.guard_not = text[1] == '!';
    i.guard = used(require(text.substr(i.guard_not ? 2 : 1, end - (i.guard_not ? 2 : 1))));
    rest = trim(text.substr(end));
  }
  Statement s(*this, i, rest);
  if (std::none_of(std::begin(families), std::end(families), [&](auto family) { return family(s); }))
    throw DecodeError("an instruction that is not known");
  if (!i.handler) throw DecodeError("not for these types or modifiers");
  s.require_all_known();
  i.own_guard = i.handler == run_branch || i.handler == run_exit;
  if (i.guard != none && is_warp_wide(s.op)) throw DecodeError("an instruction of the whole warp under a guard");
}

void Decoder::finish() {
  emit(run_exit, {}, "(end)");
  for (const auto& [at, name] : jumps_) {
    const auto found = labels_.find(name);
    if (found == labels_.end()) throw DecodeError("there is no label " + name);
    kernel.code[at].target = found->second;
  }
  kernel.register_bytes = registers_.share_places(kernel.code);
  for (const auto& [name, number] : specials_)
    kernel.special.push_back({special_registers().at(name), registers_.place_of(number)});
  place_shared_variables();
}

// Static variables one after another, only those that are used, and dynamic memory behind them.
void Decoder::place_shared_variables() {
  const auto aligned = [](u32 at, u32 alignment) { return (at + alignment - 1) / alignment * alignment; };
  u32 dynamic_alignment = 16;
  for (auto& [name, offset] : kernel.shared) {
    const Symbol& s = module_.shared.at(name);
    if (s.external) {
      dynamic_alignment = std::max(dynamic_alignment, s.align);
      kernel.uses_dynamic = true;
    } else {
      offset = aligned(kernel.static_shared, s.align);
      kernel.static_shared = offset + static_cast<u32>(s.size);
    }
  }
  kernel.dynamic_offset = aligned(kernel.static_shared, dynamic_alignment);
  for (auto& [name, offset] : kernel.shared)
    if (module_.shared.at(name).external) offset = kernel.dynamic_offset;
  for (const AddressConstant& c : address_constants_) {
    const u64 address = u64{shared_base} + kernel.shared.at(c.variable) + static_cast<u64>(c.offset);
    for (u32 l = 0; l < lane_count; ++l) std::memcpy(kernel.constants.data() + c.at + l * c.width, &address, c.width);
  }
}

// ---- operands ------------------------------------------------------------------------------------------------------------

const Decoder::Register* Decoder::find(const std::string& name) const {
  for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope)
    if (const auto found = scope->find(name); found != scope->end()) return &found->second;
  return nullptr;
}
const Decoder::Register& Decoder::require(const std::string& name) const {
  const Register* const r = find(name);
  if (!r) throw DecodeError("there is no register '" + name + "'");
  return *r;
}
Place Decoder::used(const Register& r) {
  registers_.use(kernel.code.size() - 1, r.number);
  return r.number;
}
Place Decoder::defined(const Register& r) {
  registers_.define(kernel.code.size() - 1, r.number);
  return r.number;
}

u32 Decoder::room(u32 width) {
  const u32 at = static_cast<u32>((kernel.constants.size() + 31) / 32 * 32);
  kernel.constants.resize(at + lane_count * width);
  return at;
}
Place Decoder::constant(u64 bits, u32 width) {
  const auto [entry, fresh] = constants_.try_emplace({bits, width}, none);
  if (fresh) {
    const u32 at = room(width);
    for (u32 l = 0; l < lane_count; ++l) std::memcpy(kernel.constants.data() + at + l * width, &bits, width);
    entry->second = ~static_cast<Place>(at);
  }
  return entry->second;
}
Place Decoder::parameter(const Parameter& p, u32 offset, u32 bytes, u32 width, bool is_signed) {
  const u32 from = p.offset + offset;
  const auto [entry, fresh] = parameters_.try_emplace({from, bytes, width, is_signed}, none);
  if (fresh) {
    const u32 at = room(width);
    kernel.parameter_uses.push_back({at, from, static_cast<u8>(bytes), static_cast<u8>(width), is_signed});
    entry->second = ~static_cast<Place>(at);
  }
  return entry->second;
}
Place Decoder::shared_address(const std::string& variable, i64 offset, u32 width) {
  if (!module_.shared.contains(variable)) throw DecodeError("there is no variable '" + variable + "'");
  kernel.shared[variable] = 0;
  const u32 at = room(width);
  address_constants_.push_back({at, width, variable, offset});
  return ~static_cast<Place>(at);
}
Place Decoder::special(const std::string& name, u32 width) {
  if (width != 4 || !special_registers().contains(name)) throw DecodeError("special register " + name);
  const auto [entry, fresh] = specials_.try_emplace(name, none);
  if (fresh) entry->second = registers_.add(lane_count * width, true);
  return entry->second;
}
void Decoder::jump(const std::string& label) { jumps_.push_back({kernel.code.size() - 1, label}); }

Place Decoder::source(const std::string& text, Type type) {
  const u32 width = size_of(type);
  if (const Register* const r = find(text)) {
    if (type == Type::pred ? r->type != Type::pred : size_of(r->type) != width)
      throw DecodeError("register " + text + " has another size than the type");
    return used(*r);
  }
  if (text[0] == '%') return special(text, width);
  if (is_number(text)) {
    const u64 bits = number(text);
    if (type == Type::pred) return constant(bits ? all_lanes : 0, 4);
    return constant(width < 8 ? bits & ((u64{1} << (8 * width)) - 1) : bits, width);
  }
  if (const auto p = kernel.parameter_by_name.find(text); p != kernel.parameter_by_name.end())
    return constant(parameter_window + p->second.offset, width);
  return shared_address(text, 0, width);
}

Place Decoder::destination(const std::string& name, Type type) {
  const Register& r = require(name);
  if (type == Type::pred ? r.type != Type::pred : size_of(r.type) != size_of(type))
    throw DecodeError("destination " + name + " has another size than the type");
  return defined(r);
}

// ---- the statement at hand ---------------------------------------------------------------------------------------------

Address::Address(const std::string& text) {
  if (text[0] != '[') throw DecodeError("no address: " + text);
  const std::string inside = trim(text.substr(1, text.size() - 2));
  const auto plus = inside.find('+');
  base = trim(inside.substr(0, plus));
  if (plus != std::string::npos) offset = std::strtoll(inside.c_str() + plus + 1, nullptr, 0);
}

Statement::Statement(Decoder& d, Instruction& instruction, const std::string& text) : decoder(d), i(instruction) {
  const auto end = text.find_first_of(" \t");
  opcode = text.substr(0, end);
  if (end != std::string::npos) x = split(text.substr(end), ',');
  parts = split(opcode, '.');
  op = parts[0];
  type = type_named(parts.back());
  width = size_of(type);
  for (const std::string& part : parts) known_.push_back(type_named(part) != Type::unknown);
  known_[0] = true;
}

bool Statement::has(const char* modifier) {
  const auto found = std::find(parts.begin() + 1, parts.end(), modifier);
  if (found == parts.end()) return false;
  known_[static_cast<std::size_t>(found - parts.begin())] = true;
  return true;
}
void Statement::accept(std::initializer_list<const char*> modifiers) {
  for (const char* m : modifiers) (void)has(m);
}
void Statement::require_all_known() const {
  for (std::size_t k = 0; k < parts.size(); ++k)
    if (!known_[k]) throw DecodeError("modifier ." + parts[k]);
}

void Statement::operands(int sources, Type t) {
  if (x.size() != static_cast<std::size_t>(sources) + 1) throw DecodeError("another number of operands");
  to(0, 0, t);
  for (int n = 1; n <= sources; ++n) from(n, static_cast<std::size_t>(n), t);
}

void Statement::address(const std::string& text) {
  const Address a(text);
  if (const Decoder::Register* const r = decoder.find(a.base)) {
    i.at[4] = decoder.used(*r);
    i.address_bytes = static_cast<u8>(size_of(r->type));
    i.offset = a.offset;
  } else if (is_number(a.base)) {
    throw DecodeError("an absolute address");
  } else {
    i.at[4] = decoder.shared_address(a.base, a.offset, 8);
  }
}

std::vector<std::string> Statement::elements(const std::string& text) {
  return text[0] == '{' ? split(text.substr(1, text.size() - 2), ',') : std::vector<std::string>{text};
}

}  // namespace tessera::ptx

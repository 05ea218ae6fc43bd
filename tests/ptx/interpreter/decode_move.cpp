// mov: copies, and the packing and unpacking of vectors (PTX ISA 9.7.9.2).
#include "tests/ptx/interpreter/decoder.h"
#include "tests/ptx/interpreter/lanes.h"

namespace tessera::ptx {
namespace {

template <u32 parts, class Part, class Whole>
void pack(Warp& w, const Instruction& i) {  // at[0] = {at[1], …}, the first in the lowest bits
  Whole* const d = w.to<Whole>(i.at[0]);
  TESSERA_PTX_LANES if (w.mask >> l & 1) {
    Whole v = 0;
    for (u32 k = 0; k < parts; ++k) v |= static_cast<Whole>(w.from<Part>(i.at[1 + k])[l]) << (k * 8 * sizeof(Part));
    d[l] = v;
  }
}
template <u32 parts, class Part, class Whole>
void unpack(Warp& w, const Instruction& i) {  // {at[0], …} = at[parts]; none: not wanted
  const Whole* const s = w.from<Whole>(i.at[parts]);
  for (u32 k = 0; k < parts; ++k) {
    if (i.at[k] == none) continue;
    Part* const d = w.to<Part>(i.at[k]);
    TESSERA_PTX_LANES if (w.mask >> l & 1) d[l] = static_cast<Part>(s[l] >> (k * 8 * sizeof(Part)));
  }
}

}  // namespace

bool decode_move(Statement& s) {
  if (s.op != "mov") return false;
  Handler& h = s.i.handler;
  const bool packs = s.x.at(1)[0] == '{', unpacks = s.x.at(0)[0] == '{';
  if (packs || unpacks) {
    const std::vector<std::string> parts = Statement::elements(s.x[packs ? 1 : 0]);
    const bool pair = parts.size() == 2, wide = s.width == 8;
    if (!(pair && s.width >= 4) && !(parts.size() == 4 && wide)) return true;
    const Type part = pair && wide ? Type::B32 : Type::B16;
    for (std::size_t n = 0; n < parts.size(); ++n) {
      if (packs)
        s.i.at[1 + n] = s.decoder.source(parts[n], part);
      else
        s.i.at[n] = parts[n] == "_" ? none : s.decoder.destination(parts[n], part);
    }
    if (packs) {
      s.to(0, 0, s.type);
      h = !wide ? pack<2, u16, u32> : pair ? Handler{pack<2, u32, u64>} : pack<4, u16, u64>;
    } else {
      s.from(static_cast<int>(parts.size()), 1, s.type);
      h = !wide ? unpack<2, u16, u32> : pair ? Handler{unpack<2, u32, u64>} : unpack<4, u16, u64>;
    }
    return true;
  }
  s.operands(1);
  if (s.type == Type::pred) h = predicate_logic<[](u32 a, u32) { return a; }>;
  if (s.width == 2) h = unary<u16, u16, [](u16 a) { return a; }>;
  if (s.width == 4) h = unary<u32, u32, [](u32 a) { return a; }>;
  if (s.width == 8) h = unary<u64, u64, [](u64 a) { return a; }>;
  return true;
}

}  // namespace tessera::ptx

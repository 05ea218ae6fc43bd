// Handlers that do the same for each lane by itself: F is applied to the operands of the lanes that are active.
#pragma once

#include <cfenv>

#include "tests/ptx/interpreter/warp.h"

namespace tessera::ptx {

// Registers never overlap in part, so that a loop over lanes is free of dependences.
#define TESSERA_PTX_EACH_LANE _Pragma("GCC ivdep") TESSERA_PTX_LANES

template <class D, class A, auto F>
void unary(Warp& w, const Instruction& i) {  // at[0] = F(at[1])
  D* const d = w.to<D>(i.at[0]);
  const A* const a = w.from<A>(i.at[1]);
  const u32 mask = w.mask;
  if (mask == all_lanes) {
    TESSERA_PTX_EACH_LANE d[l] = F(a[l]);
  } else {
    TESSERA_PTX_EACH_LANE {
      const D v = F(a[l]);
      d[l] = (mask >> l & 1) ? v : d[l];
    }
  }
}

template <class D, class A, class B, auto F>
void binary(Warp& w, const Instruction& i) {  // at[0] = F(at[1], at[2])
  D* const d = w.to<D>(i.at[0]);
  const A* const a = w.from<A>(i.at[1]);
  const B* const b = w.from<B>(i.at[2]);
  const u32 mask = w.mask;
  if (mask == all_lanes) {
    TESSERA_PTX_EACH_LANE d[l] = F(a[l], b[l]);
  } else {
    TESSERA_PTX_EACH_LANE {
      const D v = F(a[l], b[l]);
      d[l] = (mask >> l & 1) ? v : d[l];
    }
  }
}

template <class D, class A, class B, class C, auto F>
void ternary(Warp& w, const Instruction& i) {  // at[0] = F(at[1], at[2], at[3])
  D* const d = w.to<D>(i.at[0]);
  const A* const a = w.from<A>(i.at[1]);
  const B* const b = w.from<B>(i.at[2]);
  const C* const c = w.from<C>(i.at[3]);
  const u32 mask = w.mask;
  if (mask == all_lanes) {
    TESSERA_PTX_EACH_LANE d[l] = F(a[l], b[l], c[l]);
  } else {
    TESSERA_PTX_EACH_LANE {
      const D v = F(a[l], b[l], c[l]);
      d[l] = (mask >> l & 1) ? v : d[l];
    }
  }
}

// The same under another rounding mode. The call through a pointer that the compiler cannot see keeps it from computing
// outside of it.
template <Handler inner, int mode>
void with_rounding(Warp& w, const Instruction& i) {
  const int before = std::fegetround();
  std::fesetround(mode);
  const volatile Handler call = inner;
  call(w, i);
  std::fesetround(before);
}

template <class A, auto F>
void compare(Warp& w, const Instruction& i) {  // predicate at[0] = F(at[1], at[2]), at[3] (or none) its opposite
  const A* const a = w.from<A>(i.at[1]);
  const A* const b = w.from<A>(i.at[2]);
  u32 bits = 0;
  TESSERA_PTX_EACH_LANE bits |= static_cast<u32>(F(a[l], b[l])) << l;
  w.set_predicate(i.at[0], bits);
  if (i.at[3] != none) w.set_predicate(i.at[3], ~bits);
}

template <class T>
void select(Warp& w, const Instruction& i) {  // at[0] = predicate at[3] ? at[1] : at[2]
  T* const d = w.to<T>(i.at[0]);
  const T* const a = w.from<T>(i.at[1]);
  const T* const b = w.from<T>(i.at[2]);
  const u32 p = w.predicate(i.at[3]), mask = w.mask;
  TESSERA_PTX_EACH_LANE {
    const T v = (p >> l & 1) ? a[l] : b[l];
    d[l] = (mask >> l & 1) ? v : d[l];
  }
}

template <auto F>
void predicate_logic(Warp& w, const Instruction& i) {  // at[0] = F(at[1], at[2] or none)
  w.set_predicate(i.at[0], F(w.predicate(i.at[1]), i.at[2] == none ? 0 : w.predicate(i.at[2])));
}

}  // namespace tessera::ptx

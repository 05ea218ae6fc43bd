// Slot: one kernel of a backend's table, or the stated absence of one.
#pragma once

#include <algorithm>
#include <cstddef>

#include "kernels/errors.h"

namespace tessera::kernels {

class Stream;
const char* backend_name(const Stream& stream);

// A string literal as a template argument: the slot's name is part of its type, so a table stays pointers only.
template <std::size_t N>
struct SlotName {
  constexpr SlotName(const char (&literal)[N]) { std::copy_n(literal, N, text); }
  char text[N];
};

// Marks a slot that a backend leaves empty on purpose.
struct None {};
inline constexpr None none;

// What a slot holds and does, apart from its name: one nullable function pointer. (A base of its own because nvcc 13 does
// not match a partial specialisation by a SlotName.)
template <class Derived, class Signature>
class SlotFunction;

template <class Derived, class... Args>
class SlotFunction<Derived, void(Stream&, Args...)> {
 public:
  using Signature = void(Stream&, Args...);
  using Function = Signature*;

  constexpr SlotFunction(Function function) : function_(function) {}
  constexpr SlotFunction(None) : function_(nullptr) {}

  explicit operator bool() const { return function_ != nullptr; }
  friend bool operator==(const SlotFunction&, const SlotFunction&) = default;  // the same kernel

  void operator()(Stream& stream, Args... args) const {
    if (!function_) throw MissingKernel(Derived::name, backend_name(stream));
    function_(stream, args...);
  }

 private:
  Function function_;
};

// No default constructor: a table that forgets a slot does not compile.
template <SlotName Name, class Signature>
class Slot : public SlotFunction<Slot<Name, Signature>, Signature> {
 public:
  using SlotFunction<Slot, Signature>::SlotFunction;
  static constexpr const char* name = Name.text;
};

}  // namespace tessera::kernels

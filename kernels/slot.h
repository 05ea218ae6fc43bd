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

template <SlotName Name, class Signature>
class Slot;

// No default constructor: a table that forgets a slot does not compile.
template <SlotName Name, class... Args>
class Slot<Name, void(Stream&, Args...)> {
 public:
  using Function = void (*)(Stream&, Args...);
  static constexpr const char* name = Name.text;

  constexpr Slot(Function function) : function_(function) {}
  constexpr Slot(None) : function_(nullptr) {}

  explicit operator bool() const { return function_ != nullptr; }

  void operator()(Stream& stream, Args... args) const {
    if (!function_) throw MissingKernel(name, backend_name(stream));
    function_(stream, args...);
  }

 private:
  Function function_;
};

}  // namespace tessera::kernels

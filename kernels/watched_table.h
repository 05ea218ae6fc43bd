// A table in front of another: each of its slots calls Watch::on<&Backend::slot>(stream, operands…), which sees all that is
// asked of the backend and may call the slot behind it. Slots that the other leaves empty are empty here.
#pragma once

#include "kernels/backend.h"

namespace tessera::kernels {

template <class Watch, auto slot, class... Operands>
void watched_call(Stream& stream, Operands... operands) {
  Watch::template on<slot>(stream, operands...);
}

template <class Watch, auto slot, class Derived, class... Operands>
auto watched_slot(const SlotFunction<Derived, void(Stream&, Operands...)>& behind) {
  return behind ? &watched_call<Watch, slot, Operands...> : nullptr;
}

template <class Watch>
Backend watched_table(const Backend& behind) {
  return {
      .name = behind.name,
      .runtime = behind.runtime,
#define TESSERA_SLOT(name, ...) .name = watched_slot<Watch, &Backend::name>(behind.name),
#include "kernels/slots.def"
  };
}

}  // namespace tessera::kernels

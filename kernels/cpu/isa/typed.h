// The table of the kernels that meet activations or weights of one type, for the instruction set of the file that includes
// it.
#pragma once

#include "kernels/cpu/isa/pack.h"
#include "kernels/cpu/isa/rows.h"
#include "kernels/cpu/isa/winograd.h"

namespace tessera::kernels::cpu::isa {
namespace {

template <class E>
constexpr Typed<E> typed{
    .rows = rows<E>,
    .pack = pack<E>,
    .pack_transposed = pack_transposed<E>,
    .winograd2 = winograd_of<F2, E>,
    .winograd4 = winograd_of<F4, E>,
};

}  // namespace
}  // namespace tessera::kernels::cpu::isa

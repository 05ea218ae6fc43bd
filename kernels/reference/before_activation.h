// The gradient in front of a fused activation, in memory of its own.
#pragma once

#include <vector>

#include "kernels/reference/real.h"
#include "kernels/reference/slots.h"

namespace tessera::kernels::reference {

// Calls body(dz) with dz = dy·f'(y).
template <class Body>
void before_activation(Stream& stream, Activation f, ConstView y, ConstView dy, const Body& body) {
  if (f == Activation::none) return body(dy);
  with_real("before_activation", dy.dtype, [&](auto zero) {
    std::vector<decltype(zero)> values(static_cast<std::size_t>(dy.count()));
    const View dz{values.data(), dy.dtype, dy.dims};
    activation_backward(stream, f, y, dy, {dz, false});
    body(dz);
  });
}

}  // namespace tessera::kernels::reference

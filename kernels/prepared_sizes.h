// How much a preparation (prepared.h) would keep of weights, from shapes alone.
#pragma once

#include <cstddef>
#include <map>
#include <utility>

#include "kernels/backend.h"

namespace tessera::kernels {

// Bytes, by where weights lie and the form that they would take: calls with the same weights share it.
using PreparedSizes = std::map<std::pair<const void*, int>, std::size_t>;

// Puts down what a call's weights would be kept as; nothing, where they would not be. No memory is looked at.
struct PreparationSizes {
  void (*conv2d_forward)(const Stream&, PreparedSizes&, const Conv2dShape&, ConstView w);
  void (*matmul)(const Stream&, PreparedSizes&, const MatmulParams&, ConstView a, ConstView b);
};

// Null: a backend that prepares nothing.
const PreparationSizes* preparation_sizes_of(const Backend& backend);

}  // namespace tessera::kernels

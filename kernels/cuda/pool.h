// What the poolings share: which windows reach a cell, and how packs of channels are numbered.
#pragma once

#include <string>

#include "kernels/cuda/elements.h"

namespace tessera::kernels::TESSERA_GPU_NAMESPACE {

// The windows p with p·stride + r = position for some 0 ≤ r < extent: first ≤ p < end.
struct Windows {
  int first, end;
};
__device__ inline Windows covering(int position, int extent, int stride, int windows) {
  const int last = position / stride;
  return {position < extent ? 0 : (position - extent) / stride + 1, last < windows ? last + 1 : windows};
}

// Packs of an operand, one for each thread. The kernels number them, and divide, in 32 bits: a 64-bit division is a
// subroutine on a GPU. Throws DeviceError beyond that.
inline unsigned pack_count(std::int64_t elements, int width) {
  const std::int64_t packs = elements / width, most = 0xffffff00;
  if (packs > most)
    throw DeviceError("pooling of " + std::to_string(packs) + " packs of channels in one call; at most " +
                      std::to_string(most) + ", use smaller batches");
  return static_cast<unsigned>(packs);
}

}  // namespace tessera::kernels::TESSERA_GPU_NAMESPACE

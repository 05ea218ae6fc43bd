// Rows of logits so few that one block has them all: up to 256 and 2¹⁵ logits, a warp a row, it takes no longer than a second
// launch that joins blocks, an estimate.
#pragma once

#include <cstdint>

#include "kernels/cuda/gpu.h"

namespace tessera::kernels::TESSERA_GPU_NAMESPACE {

inline constexpr int few_rows_threads = 1024;
inline bool few_rows(std::int64_t rows, std::int64_t columns) { return rows <= 256 && rows * columns <= 1 << 15; }

}  // namespace tessera::kernels::TESSERA_GPU_NAMESPACE

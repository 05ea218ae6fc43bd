// NumPy's array file, version 1.0: little-endian float32, C order, data aligned to 64 bytes.
#pragma once

#include <span>
#include <vector>

#include "engine/files/output.h"

namespace tessera {

// The product of the shape is values.size(). Errors are the output's.
void write_npy(const Output& output, std::span<const float> values, const std::vector<std::int64_t>& shape,
               const std::atomic<bool>* stop = nullptr);

}  // namespace tessera

// NumPy's array file, version 1.0: little-endian float32, C order, data aligned to 64 bytes.
#pragma once

#include <filesystem>
#include <span>
#include <vector>

#include "engine/files/io.h"

namespace tessera {

// Replaces the file atomically. WeightsError where it cannot be written. The product of the shape is values.size().
void write_npy(const std::filesystem::path& path, std::span<const float> values, const std::vector<std::int64_t>& shape);

}  // namespace tessera

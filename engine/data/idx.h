// MNIST-like data sets in IDX files: {train,t10k}-images-idx3-ubyte and {train,t10k}-labels-idx1-ubyte, each .gz or not.
//
// IDX: two zero bytes, element type (8: unsigned byte), rank, then `rank` big-endian 32-bit extents, then the elements.
// Images of up to 32x32 are centred on a black 32x32 (the smaller margin above and left) and repeated over three channels,
// so that every network for CIFAR-10 takes them. Source: LeCun, Cortes, Burges, http://yann.lecun.com/exdb/mnist/
#pragma once

#include <filesystem>

#include "engine/data/open.h"

namespace tessera {

bool is_idx(const std::filesystem::path& folder);
Dataset open_idx(const std::filesystem::path& folder, const OpenOptions& options);

}  // namespace tessera

// MNIST-like data sets in IDX files: {train,t10k}-images-idx3-ubyte and {train,t10k}-labels-idx1-ubyte, each .gz or not,
// with a dot in place of the hyphen before "idx" or not, alone or in a folder of its own name. Either half alone is a data
// set too.
//
// IDX: two zero bytes, element type (8: unsigned byte), rank, then `rank` big-endian 32-bit extents, then the elements.
// Grey becomes three equal channels. Where the caller names a size (options.image_size or default_size), smaller images are
// centred on a black square of it (the smaller margin above and left), so that networks for 32x32 take 28x28. Source: LeCun,
// Cortes, Burges, http://yann.lecun.com/exdb/mnist/
#pragma once

#include <filesystem>

#include "engine/data/open.h"

namespace tessera {

bool is_idx_file_name(const std::string& name);  // of one file of a set
bool is_idx(const std::filesystem::path& folder);
Dataset open_idx(const std::filesystem::path& folder, const OpenOptions& options);

}  // namespace tessera

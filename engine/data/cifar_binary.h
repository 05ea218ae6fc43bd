// CIFAR-10 "binary version": data_batch_1.bin … data_batch_5.bin and test_batch.bin in one folder.
//
// A record is 3,073 bytes: the label (0–9), then 1,024 bytes each of red, green and blue, row by row. A file is a whole
// number (>= 1) of records; the official files have 10,000, any other number is a warning. Training files are all
// data_batch_<number>.bin, in numeric order. Class names come from batches.meta.txt where it holds ten sane lines.
// Source: Krizhevsky, https://www.cs.toronto.edu/~kriz/cifar.html
#pragma once

#include <filesystem>

#include "engine/data/open.h"

namespace tessera {

bool is_cifar_binary(const std::filesystem::path& folder);
Dataset open_cifar_binary(const std::filesystem::path& folder, const OpenOptions& options);

}  // namespace tessera

// CIFAR-10 in each of its four forms: the binary or the python version, in a folder or in the .tar.gz it is published in.
//
// Training files are all data_batch_<number>, in numeric order; the official ones have 10,000 images, any other number is a
// warning. Class names come from batches.meta where it holds ten sane ones. All four forms give the same Dataset.
// An archive is read as it is decompressed: nothing is extracted, and members count by their base name alone; names that
// climb (..) and links in place of data are refused. cifar_binary.h and cifar_python.h say what the files hold.
#pragma once

#include <filesystem>

#include "engine/data/open.h"

namespace tessera {

bool is_cifar_binary(const std::filesystem::path& folder);
Dataset open_cifar_binary(const std::filesystem::path& folder, const OpenOptions& options);

bool is_cifar_python(const std::filesystem::path& folder);
Dataset open_cifar_python(const std::filesystem::path& folder, const OpenOptions& options);

bool is_cifar_archive(const std::filesystem::path& file);  // any file that begins as gzip does
Dataset open_cifar_archive(const std::filesystem::path& file, const OpenOptions& options);

}  // namespace tessera

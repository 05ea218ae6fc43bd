// The CIFAR sets in each of their four forms: the binary or the python version, in a folder or in the .tar.gz they are
// published in.
//
// Training files of CIFAR-10 are all data_batch_<number>, in numeric order; a number of images that is not the official one
// is a warning, as is a file that is not there. Class names come from the set's file of names where it holds sane ones. All
// four forms give the same Dataset.
// An archive is read as it is decompressed: nothing is extracted, and members count by their base name alone; names that
// climb (..) and links in place of data are refused. cifar_sets.h says which sets there
// are, cifar_binary.h and cifar_python.h what the files hold.
#pragma once

#include <filesystem>

#include "engine/data/open.h"

namespace tessera {

bool is_cifar_binary(const std::filesystem::path& folder);
Dataset open_cifar_binary(const std::filesystem::path& folder, const OpenOptions& options);

bool is_cifar_python(const std::filesystem::path& folder);
Dataset open_cifar_python(const std::filesystem::path& folder, const OpenOptions& options);

bool is_cifar_file_name(const std::string& name);  // of one file of a set

bool is_cifar_archive(const std::filesystem::path& file);  // any file that begins as gzip does
Dataset open_cifar_archive(const std::filesystem::path& file, const OpenOptions& options);

}  // namespace tessera

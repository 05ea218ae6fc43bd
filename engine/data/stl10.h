// STL-10's binary version: {train,test}_X.bin, {train,test}_y.bin, class_names.txt.
//
// X: 27,648 bytes an image, 96x96: planes red, green, blue, each column by column. y: a byte an image, the label from 1 to 10.
// The images without labels (unlabeled_X.bin) are not read. Either half alone is a data set too.
// Source: Coates, Lee, Ng, https://cs.stanford.edu/~acoates/stl10/
#pragma once

#include <filesystem>

#include "engine/data/open.h"

namespace tessera {

bool is_stl10(const std::filesystem::path& folder);
Dataset open_stl10(const std::filesystem::path& folder, const OpenOptions& options);

}  // namespace tessera

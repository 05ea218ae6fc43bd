// Contents of CIFAR-10's "binary version" (data_batch_<N>.bin, test_batch.bin, batches.meta.txt).
//
// A record is 3,073 bytes: the label (0–9), then 1,024 bytes each of red, green and blue, row by row. A file is a whole
// number (>= 1) of records. Source: Krizhevsky, https://www.cs.toronto.edu/~kriz/cifar.html
#pragma once

#include <string>
#include <vector>

#include "engine/data/dataset.h"
#include "engine/files/io.h"

namespace tessera {

// `where` names the file in errors.
ImageSet parse_cifar_binary(ByteSpan file, const std::string& where);
std::vector<std::string> parse_cifar_binary_names(ByteSpan file);  // one a line; not checked further

}  // namespace tessera

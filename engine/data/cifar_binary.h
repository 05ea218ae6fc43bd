// Contents of CIFAR's "binary version" (data_batch_<N>.bin, test_batch.bin, batches.meta.txt).
//
// A record is the labels, a byte each, then 1,024 bytes each of red, green and blue, row by row: 3,073 bytes of CIFAR-10. A
// file is a whole number (>= 1) of records. Source: Krizhevsky, https://www.cs.toronto.edu/~kriz/cifar.html
#pragma once

#include <string>
#include <vector>

#include "engine/data/cifar_sets.h"
#include "engine/files/io.h"

namespace tessera {

// `where` names the file in errors.
ImageSet parse_cifar_binary(ByteSpan file, const cifar::Set& format, const cifar::Labels& labels, const std::string& where);
std::vector<std::string> parse_cifar_binary_names(ByteSpan file);  // one a line; not checked further

}  // namespace tessera

// Contents of CIFAR's "python version" (data_batch_<N>, test_batch, batches.meta): pickles, decoded without executing
// anything (pickle.h).
//
// A batch is a dictionary with "data", an array of n rows of 3,072 bytes (red, green and blue planes, row by row), and lists
// of n integers, the labels ("labels" of CIFAR-10). The file of names has lists of texts ("label_names").
// Source: Krizhevsky, https://www.cs.toronto.edu/~kriz/cifar.html
#pragma once

#include <string>
#include <vector>

#include "engine/data/cifar_sets.h"
#include "engine/files/io.h"

namespace tessera {

// `where` names the file in errors.
ImageSet parse_cifar_python(ByteSpan file, const cifar::Set& format, const cifar::Labels& labels, const std::string& where);
std::vector<std::string> parse_cifar_python_names(ByteSpan file, const cifar::Labels& labels, const std::string& where);

}  // namespace tessera

// Contents of CIFAR-10's "python version" (data_batch_<N>, test_batch, batches.meta): pickles, decoded without executing
// anything (pickle.h).
//
// A batch is a dictionary with "data", an array of n rows of 3,072 bytes (red, green and blue planes, row by row), and
// "labels", a list of n integers 0–9. batches.meta has "label_names", a list of ten texts.
// Source: Krizhevsky, https://www.cs.toronto.edu/~kriz/cifar.html
#pragma once

#include <string>
#include <vector>

#include "engine/data/dataset.h"
#include "engine/files/io.h"

namespace tessera {

// `where` names the file in errors.
ImageSet parse_cifar_python(ByteSpan file, const std::string& where);
std::vector<std::string> parse_cifar_python_names(ByteSpan file, const std::string& where);

}  // namespace tessera

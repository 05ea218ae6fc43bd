// NumPy's array files: .npy, and .npz, a zip archive of them.
//
// Written is version 1.0: little-endian float32, C order, data aligned to 64 bytes. Read are versions 1 to 3, little-endian numbers
// in C or Fortran order. The header is a Python dictionary of exactly 'descr', 'fortran_order' and 'shape'; it is read by a
// grammar of its own, never evaluated. The data is as long as type and shape say.
// Source: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
#pragma once

#include <span>
#include <string>
#include <vector>

#include "engine/files/output.h"
#include "engine/files/tensor_file.h"

namespace tessera {

// The product of the shape is values.size(). Errors are the output's.
void write_npy(const Output& output, std::span<const float> values, const std::vector<std::int64_t>& shape,
               const std::atomic<bool>* stop = nullptr);

// The header of an .npy file for these elements.
std::string npy_header(ElementType type, const std::vector<std::int64_t>& shape);

// The array of an .npy file; what has to be rearranged is kept in `file`. WeightsError, beginning with `what`.
TensorEntry parse_npy(ByteSpan npy, const std::string& what, TensorFile& file);

// The arrays of an .npz file, by their names without ".npy". WeightsError.
TensorFile parse_npz(Bytes file, const std::string& where);

}  // namespace tessera

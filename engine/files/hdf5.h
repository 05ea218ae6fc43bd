// HDF5 files, as far as Keras' weights need them, by the HDF5 library where the build has it.
//
// The library is large, written in C, and its parsers have had many faults. So it never sees a foreign file in this process:
// read_hdf5 runs it in one of its own (isolated.h) on the bytes of the file in memory. There it may follow no external or soft link, read
// no dataset whose data lie in other files, load no plug-in; and what it makes of the file comes back as plain numbers, which are
// checked like any file. The elements of all datasets together are no more than 16 times the file and 64 MiB.
// Source: https://docs.hdfgroup.org/hdf5/v1_10
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/files/tensor_file.h"

namespace tessera {

inline constexpr std::string_view hdf5_mark = "\x89HDF\r\n\x1a\n";  // what a file begins with
bool has_hdf5();                                                    // this build

// Every dataset of numbers under its path, "layers/conv2d/vars/0". Where groups list their parts in attributes (Keras 2's
// layer_names and weight_names), in that order and under the names "<layer>/<weight>"; else the shallower first, and in the order of paths,
// numbers in them counting as numbers. WeightsError.
TensorFile read_hdf5(ByteSpan file, const std::string& where);

// An attribute of texts: of a group, "" for the root.
struct Hdf5Texts {
  std::string group, name;
  std::vector<std::string> texts;
  bool single = false;  // one text and no list of one
};

// A file with these datasets, groups as their paths want, and these attributes of them. There is no time in it. WeightsError.
Bytes write_hdf5(std::span<const TensorEntry> datasets, std::span<const Hdf5Texts> attributes = {});

}  // namespace tessera

// What the recording library (preload/record.cpp) writes down, and the simulated disk (disk.h) reads.
#pragma once

#include <cstdint>

namespace tessera::tests {

enum class Operation : std::uint64_t {
  create,       // in folder `first`, as `name`, the file `second`
  make_folder,  // the same of a folder
  write,        // to `first`, at `offset`, the data
  sync,         // of `first`, a file or a folder
  rename,       // in folder `first` to folder `second`: "old name/new name"
  exchange,     // in folder `first`, what two names stand for: "one name/other name"
  remove,       // from folder `first` `name`
};

}  // namespace tessera::tests

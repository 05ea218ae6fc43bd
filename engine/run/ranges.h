// Ranges that NVIDIA's tools show beside what a program does (NVTX): nothing where the CUDA toolkit was not found, and next to
// nothing where no tool listens.
#pragma once

#include <string>

namespace tessera {

class NamedRange {
 public:
  explicit NamedRange(const std::string& name);
  ~NamedRange();
  NamedRange(const NamedRange&) = delete;
  NamedRange& operator=(const NamedRange&) = delete;
};

}  // namespace tessera

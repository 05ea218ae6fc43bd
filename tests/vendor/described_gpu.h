// An H200 that is not here: cuDNN makes plans from a description of it, on any machine that has the library.
//
// Engines that it compiles at run time want a driver to load what NVRTC has made. Where the machine has none, a library of
// this folder answers for it (fake/driver.cpp); where it has one, that one is used. Plans so made are known to exist, that
// is their graphs are well-formed and their kernels compile; what they compute, only a GPU can tell.
#pragma once

#include "kernels/vendor/plan.h"

namespace tessera::test {

class DescribedGpu {
 public:
  // Null, after a line on standard output that says why, where there is no cuDNN that can be told of a GPU (9.8).
  static const DescribedGpu* get();

  const kernels::vendor::Target& target() const { return target_; }
  // Whether plans that are compiled at run time can be made: not by a driver whose GPU is of another kind.
  bool compiles() const { return compiles_; }
  // How many kernels have been compiled so far; counted by the library that stands in for the driver, else 0.
  int compilations() const { return count_ ? count_() : 0; }

 private:
  DescribedGpu();

  bool compiles_ = true;
  int (*count_)() = nullptr;
  kernels::vendor::Descriptor device_;
  kernels::vendor::Target target_;
};

}  // namespace tessera::test

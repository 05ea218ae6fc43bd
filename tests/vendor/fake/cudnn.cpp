// A library that has cuDNN's name and not its contents: it says it is version 8, and has all its functions or one only.
#include "kernels/vendor/libraries.h"

// Under names of our own here, since the header declares them otherwise; under the library's for the linker.
extern "C" {
std::size_t fake_version() __asm__("cudnnGetVersion");
std::size_t fake_version() { return 80905; }

#if defined(TESSERA_FAKE_COMPLETE)
#define TESSERA_DEFINE(function)             \
  void fake_##function() __asm__(#function); \
  void fake_##function() {}
TESSERA_CUDNN_REST(TESSERA_DEFINE)
#endif
}

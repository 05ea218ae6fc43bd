// The table of the GPU kernels, one text for both builds: `cuda` under nvcc, `emulated` under a C++ compiler.
#include "kernels/backends.h"
#include "kernels/cuda/launchers.h"
#include "kernels/cuda/runtime.h"

namespace tessera::kernels {

#if defined(__CUDACC__)
const Backend& cuda_backend() {
  constexpr const char* name = "cuda";
  constexpr bool gpu = true;
#else
const Backend& emulated_backend() {
  constexpr const char* name = "emulated";
  constexpr bool gpu = false;
#endif
  namespace launchers = TESSERA_GPU_NAMESPACE;
  static const Backend table = {
      .name = name,
      .runtime = launchers::runtime,
      .gpu = gpu,
#define TESSERA_SLOT(name, ...) .name = launchers::name,
#include "kernels/slots.def"
  };
  return table;
}

}  // namespace tessera::kernels

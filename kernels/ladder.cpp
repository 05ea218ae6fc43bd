#include "kernels/ladder.h"

#include "kernels/backends.h"

namespace tessera::kernels {

#ifdef TESSERA_WITH_CUDA
namespace cuda {
void ladder(Stream&, int, ConstView, ConstView, View);
}
#endif
#ifdef TESSERA_WITH_EMULATED
namespace emulated {
void ladder(Stream&, int, ConstView, ConstView, View);
}
#endif

Ladder ladder_of([[maybe_unused]] const Backend& backend) {
#ifdef TESSERA_WITH_CUDA
  if (&backend == find_backend("cuda")) return cuda::ladder;
#endif
#ifdef TESSERA_WITH_EMULATED
  if (&backend == find_backend("emulated")) return emulated::ladder;
#endif
  return nullptr;
}

}  // namespace tessera::kernels

// The `reference` backend: the truth for the tests. Every slot is there.
#include "kernels/backends.h"
#include "kernels/host_runtime.h"
#include "kernels/reference/slots.h"

namespace tessera::kernels {

const Backend& reference_backend() {
  static const Backend table{
      .name = "reference",
      .runtime = host_runtime(),
#define TESSERA_SLOT(name, ...) .name = reference::name,
#include "kernels/slots.def"
  };
  return table;
}

}  // namespace tessera::kernels

// The `cpu` backend: float32 and bf16 on the host, vectorised and threaded.
#include "kernels/backends.h"
#include "kernels/cpu/launchers.h"
#include "kernels/host_runtime.h"

namespace tessera::kernels {

// What the table takes: every function of cpu::, but for the slots that stay empty, whose names here hide those there.
namespace cpu_slots {
using namespace cpu;

// Winograd's output transform leaves a tile of a few channels at a time, so the sums of whole rows would need a pass of
// their own anyway; batch_norm_training makes it, over data that is still in the cache.
inline constexpr None conv2d_forward_statistics;

// A call costs next to nothing here, and the products are made for any size.
inline constexpr None linear_backward;
inline constexpr None conv2d_backward;

// For overlays, and nothing overlays this table.
inline constexpr None batch_norm_running;

}  // namespace cpu_slots

const Backend& cpu_backend() {
  static const Backend table{
      .name = "cpu",
      .runtime = host_runtime(),
#define TESSERA_SLOT(name, ...) .name = cpu_slots::name,
#include "kernels/slots.def"
  };
  return table;
}

}  // namespace tessera::kernels

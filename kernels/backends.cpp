#include "kernels/backends.h"

namespace tessera::kernels {

std::span<const Backend* const> backends() {
  static const Backend* const all[] = {
    &cpu_backend(),
    &reference_backend(),
#if defined(TESSERA_WITH_EMULATED)
    &emulated_backend(),
#endif
#if defined(TESSERA_WITH_CUDA)
    &cuda_backend(),
#endif
#if defined(TESSERA_WITH_VENDOR)
    &vendor_backend(),
#endif
  };
  return all;
}

const Backend* overlay_on(const Backend& below) {
  for (const Backend* backend : backends())
    if (backend->overlays == &below) return backend;
  return nullptr;
}

const Backend* find_backend(std::string_view name) {
  for (const Backend* backend : backends())
    if (backend->name == name) return backend;
  return nullptr;
}

}  // namespace tessera::kernels

// The backends of this build, by name. An explicit list: nothing registers itself.
#pragma once

#include <span>
#include <string_view>

#include "kernels/backend.h"

namespace tessera::kernels {

// Each backend's table, defined in kernels/<name>/.
const Backend& reference_backend();
const Backend& cpu_backend();
const Backend& emulated_backend();  // unless TESSERA_EMULATED=OFF
const Backend& cuda_backend();      // only in builds with CUDA
const Backend& vendor_backend();    // only in builds with CUDA and the headers of cuDNN and cuBLAS

// Every backend that this build contains.
std::span<const Backend* const> backends();

// The first that overlays `below`; null where this build has none.
const Backend* overlay_on(const Backend& below);

// By name; null where this build has none of that name.
const Backend* find_backend(std::string_view name);

}  // namespace tessera::kernels

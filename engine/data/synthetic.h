// Generated images, 32x32x3 or of options.image_size, ten classes: learnable in seconds, without any file.
//
// Class c is a plane wave of its own direction and wavelength with its own colour; each image has a random phase, contrast
// and brightness, and noise on every byte. Image i of a set is a pure function of (seed, set, i).
#pragma once

#include <filesystem>

#include "engine/data/open.h"

namespace tessera {

bool is_synthetic(const std::filesystem::path& word);
Dataset open_synthetic(const std::filesystem::path& word, const OpenOptions& options);

}  // namespace tessera

// A folder of photos: train/<class>/*.png|jpg|jpeg and test/<class>/*, any number of classes, any image sizes.
//
// Labels are the places of the class names in byte order; images come class by class, by file name. Each is resized to
// 32x32 by the rule of image/resize.h (an image of that size stays as it is). Names that begin with a dot are left out, as
// are files of other kinds, with a warning. test/ may lack classes of train/, but not have others.
#pragma once

#include <filesystem>

#include "engine/data/open.h"

namespace tessera {

bool is_image_folder(const std::filesystem::path& folder);
Dataset open_image_folder(const std::filesystem::path& folder, const OpenOptions& options);

}  // namespace tessera

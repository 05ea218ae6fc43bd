// A folder of photos: train/<class>/*.png|jpg|jpeg and test/<class>/*, any number of classes, any image sizes.
//
// Labels are the places of the class names in byte order; images come class by class, by path, those of folders inside a
// class's folder too. test/ may be missing, or lack classes of train/, but not have others; where there is no train/, test/
// has all classes. val/ holds the images for validation, or where there is no test/, those for testing.
//
// Images keep their size where all have one; options.image_size brings each to that square by the rule of image/resize.h.
// Names that begin with a dot are left out, as are files of other kinds, with a warning. Damaged images are all named in one
// error, or with options.skip_damaged in a warning; what is neither file nor folder is refused before anything is read.
#pragma once

#include <filesystem>

#include "engine/data/open.h"

namespace tessera {

bool is_image_folder(const std::filesystem::path& folder);
Dataset open_image_folder(const std::filesystem::path& folder, const OpenOptions& options);

// The images of a folder and of those inside it, by path; and how many files there are besides. DataError where there is
// something that is neither file nor folder.
struct ImageFiles {
  std::vector<std::filesystem::path> images;
  std::int64_t others = 0;
};
ImageFiles image_files(const std::filesystem::path& folder, const OpenOptions& options);

}  // namespace tessera

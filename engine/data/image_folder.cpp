#include "engine/data/image_folder.h"

#include <algorithm>

#include "engine/core/error.h"
#include "engine/files/io.h"
#include "engine/image/decode.h"
#include "engine/image/resize.h"

namespace tessera {
namespace fs = std::filesystem;
namespace {

constexpr std::int64_t side = 32, channels = 3;
constexpr std::int64_t most_images = 1'000'000;  // 3 GiB as 32x32x3
constexpr std::size_t most_classes = 10'000, longest_class_name = 200;

// What a folder holds, in byte order of names, without hidden entries.
std::vector<fs::path> entries_of(const fs::path& folder) {
  std::vector<fs::path> paths = list_folder(folder, ExitCode::data);
  std::erase_if(paths, [](const fs::path& path) { return path.filename().string().starts_with('.'); });
  return paths;
}

std::vector<std::string> class_names(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code ignored;
  for (const fs::path& path : entries_of(folder)) {
    if (!fs::is_directory(path, ignored)) continue;
    const std::string name = path.filename().string();
    const bool plain =
        std::none_of(name.begin(), name.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f || c == ','; });
    if (!plain || name.size() > longest_class_name)
      throw DataError(folder.string() + ": " + printable(name) + " is no name for a class: rename the folder");
    names.push_back(name);
  }
  if (names.empty())
    throw DataError(folder.string() + ": has no folders; one for each class is expected: " + folder.filename().string() +
                    "/<class>/*.png or *.jpg");
  if (names.size() > most_classes)
    throw DataError(folder.string() + ": has " + std::to_string(names.size()) + " classes; at most 10000 are read");
  return names;
}

void append_image(ImageSet& set, const fs::path& path, std::int32_t label) {
  if (set.count == most_images) throw DataError(path.string() + ": more than 1000000 images");
  const Image image = resize_bicubic(read_image(path), side, side);
  set.pixels.insert(set.pixels.end(), image.pixels.begin(), image.pixels.end());
  set.labels.push_back(label);
  ++set.count;
}

ImageSet read_set(const fs::path& folder, const std::vector<std::string>& classes, const OpenOptions& options,
                  std::vector<std::string>& warnings) {
  ImageSet set{.count = 0, .height = side, .width = side, .channels = channels};
  std::int64_t others = 0;
  for (std::size_t label = 0; label < classes.size(); ++label) {
    const std::int64_t before = set.count;
    std::error_code ignored;
    if (const fs::path place = folder / classes[label]; fs::is_directory(place, ignored)) {
      for (const fs::path& path : entries_of(place)) {
        poll(options);
        if (has_image_name(path))
          append_image(set, path, static_cast<std::int32_t>(label));
        else
          ++others;
      }
    }
    if (set.count == before) warnings.push_back((folder / classes[label]).string() + ": no images of this class");
  }
  if (others > 0)
    warnings.push_back(folder.string() + ": " + std::to_string(others) +
                       " files that are neither .png nor .jpg were left out");
  if (set.count == 0) throw DataError(folder.string() + ": has no images; .png, .jpg and .jpeg are read");
  return set;
}

}  // namespace

bool is_image_folder(const fs::path& folder) {
  std::error_code ignored;
  return fs::is_directory(folder / "train", ignored) || fs::is_directory(folder / "test", ignored);
}

Dataset open_image_folder(const fs::path& folder, const OpenOptions& options) {
  std::error_code ignored;
  for (const char* part : {"train", "test"})
    if (!fs::is_directory(folder / part, ignored))
      throw DataError(folder.string() + ": has no folder " + part + "; train/<class>/ and test/<class>/ are expected");
  Dataset data;
  data.classes = class_names(folder / "train");
  for (const std::string& name : class_names(folder / "test"))
    if (!std::binary_search(data.classes.begin(), data.classes.end(), name))
      throw DataError((folder / "test" / name).string() + ": train has no class of this name");
  data.train = read_set(folder / "train", data.classes, options, data.warnings);
  data.test = read_set(folder / "test", data.classes, options, data.warnings);
  data.train_parts = {{"train", 0, data.train.count}};
  data.description = "images in " + folder.string() + ": " + std::to_string(data.train.count) + " training images, " +
                     std::to_string(data.test.count) + " test images of " + std::to_string(data.classes.size()) +
                     " classes, as 32x32";
  return data;
}

}  // namespace tessera

#include "engine/data/stl10.h"

#include <algorithm>

#include "engine/core/error.h"
#include "engine/files/io.h"

namespace tessera {
namespace fs = std::filesystem;
namespace {

constexpr std::int64_t side = 96, plane = side * side, channels = 3, image_bytes = channels * plane;
constexpr std::uint64_t largest_file = std::uint64_t{4} << 30;
constexpr std::int64_t images_per_poll = 100;
constexpr const char* class_names[] = {"airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck"};
constexpr std::size_t classes = std::size(class_names);

// Empty where neither file of this half is there.
ImageSet read_set(const fs::path& folder, const std::string& part, const OpenOptions& options,
                  std::vector<std::string>& warnings) {
  const fs::path images_path = folder / (part + "_X.bin"), labels_path = folder / (part + "_y.bin");
  ImageSet set{.height = side, .width = side, .channels = channels};
  std::error_code ignored;
  if (!fs::exists(images_path, ignored) && !fs::exists(labels_path, ignored)) {
    warnings.push_back(folder.string() + ": is without " + part + "_X.bin; there is nothing to " + part + " with");
    return set;
  }
  poll(options);
  const Bytes labels = read_file(labels_path, largest_file, ExitCode::data);
  File file(images_path, File::Mode::read, ExitCode::data);
  const std::uint64_t size = file.size(), expected = labels.size() * std::uint64_t{image_bytes};
  if (size != expected || labels.empty() || size > largest_file)
    throw DataError(images_path.string() + ": has " + std::to_string(size) + " bytes; the " + std::to_string(labels.size()) +
                    " labels of " + labels_path.string() + " need " + std::to_string(expected) +
                    " (27648 an image, at most 4 GiB): cut, or not STL-10; fetch it again");
  report(options, {.images = static_cast<std::int64_t>(labels.size()), .bytes = size});
  set.pixels.resize(static_cast<std::size_t>(size));
  Bytes planes(image_bytes);
  for (const std::byte byte : labels) {
    if (set.count % images_per_poll == 0) poll(options);
    const auto label = std::to_integer<std::int32_t>(byte);
    if (label < 1 || label > static_cast<std::int32_t>(classes))
      throw DataError(labels_path.string() + ": byte " + std::to_string(set.count) + ": label " + std::to_string(label) +
                      " is not from 1 to 10; the file is damaged or not STL-10, fetch it again");
    set.labels.push_back(label - 1);
    file.read_exactly(planes);
    std::uint8_t* to = set.pixels.data() + set.count++ * image_bytes;
    for (std::int64_t y = 0; y < side; ++y)
      for (std::int64_t x = 0; x < side; ++x)
        for (std::int64_t c = 0; c < channels; ++c)
          *to++ = std::to_integer<std::uint8_t>(planes[static_cast<std::size_t>(c * plane + x * side + y)]);
  }
  return set;
}

}  // namespace

bool is_stl10(const fs::path& folder) {
  std::error_code ignored;
  return fs::exists(folder / "train_X.bin", ignored) || fs::exists(folder / "test_X.bin", ignored);
}

Dataset open_stl10(const fs::path& folder, const OpenOptions& options) {
  Dataset data;
  data.train = read_set(folder, "train", options, data.warnings);
  data.test = read_set(folder, "test", options, data.warnings);
  data.train_parts = {{"train_X", 0, data.train.count}};
  data.classes.assign(std::begin(class_names), std::end(class_names));
  data.description = "STL-10 in " + folder.string() + ": " + std::to_string(data.train.count) + " training images, " +
                     std::to_string(data.test.count) + " test images of 96x96";
  return data;
}

}  // namespace tessera

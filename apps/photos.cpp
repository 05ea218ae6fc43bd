#include "apps/photos.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "engine/data/image_folder.h"
#include "engine/image/channels.h"
#include "engine/image/decode.h"
#include "engine/image/resize.h"
#include "engine/report/heat_map.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr const char* standard_input = "-";

// A photo that a pipe brings: at most as much as a file may have.
Bytes read_standard_input(const std::atomic<bool>* stop) {
  Bytes bytes;
  for (std::size_t size = 0;;) {
    bytes.resize(size + (std::size_t{1} << 20));
    const ssize_t got = ::read(STDIN_FILENO, bytes.data() + size, bytes.size() - size);
    if (stop->load()) throw Interrupted("stopped while reading standard input");
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw DataError(std::string("standard input: read: ") + std::strerror(errno));
    if (got == 0) {
      bytes.resize(size);
      break;
    }
    size += static_cast<std::size_t>(got);
    if (size > largest_image_file)
      throw DataError("standard input: more than the " + std::to_string(largest_image_file >> 20) +
                      " MiB that a picture may have");
  }
  if (bytes.empty()) throw DataError("standard input is empty: - stands for a photo that comes from there");
  return bytes;
}

}  // namespace

Subjects pick_test_image(const Dataset& data, std::int64_t index) {
  const std::int64_t places[] = {index};
  Subjects subjects{.images = pick(data.test, places), .names = {"test image " + std::to_string(index)}};
  const ImageSet& image = subjects.images;
  const auto label = static_cast<std::size_t>(std::exchange(subjects.images.labels[0], 0));
  subjects.true_classes = {label < data.classes.size() ? data.classes[label] : std::to_string(label)};
  const Extents extents = fitting_extents(image.height, image.width);
  Image seen = resize_bicubic({image.height, image.width, with_channels(image.pixels, image.channels, 3)}, extents.height,
                              extents.width);
  subjects.pictures = {{seen.width, seen.height, std::move(seen.pixels)}};
  return subjects;
}

Photos::Photos(const std::vector<std::string>& given, const Options& options, const Console& console)
    : options_(options), console_(console) {
  std::error_code ignored;
  for (const std::string& path : given)
    if (path == "synthetic" || (fs::is_directory(path, ignored) && format_of(path) != nullptr))
      throw UsageError(path + " is a data set: say which image of its test set by --index N");
  if (std::count(given.begin(), given.end(), standard_input) > 1)
    throw UsageError("-: standard input brings one photo, and is named twice");
  alone_ = given.size() == 1 && !fs::is_directory(given[0], ignored);
  for (const std::string& path : given) attempt(path, [&] { gather(path); });
}

Subjects Photos::read(std::int64_t most) {
  Subjects subjects{.images{.height = options_.side, .width = options_.side, .channels = options_.channels}};
  for (; next_ < paths_.size() && subjects.images.count < most; ++next_)
    attempt(paths_[next_], [&] { append(paths_[next_], subjects); });
  return subjects;
}

void Photos::finish() const {
  if (failed_.empty()) return;
  throw DataError(alone_ ? failed_[0]
                         : std::to_string(failed_.size()) + " of " + std::to_string(answered_ + failed_.size()) +
                               " could not be read; they are named above");
}

void Photos::gather(const std::string& path) {
  std::error_code ignored;
  if (path == standard_input || !fs::is_directory(fs::status(path, ignored))) {
    paths_.push_back(path);
    return;
  }
  const ImageFiles files = image_files(path, {.stop = options_.stop});
  if (files.images.empty()) throw DataError(path + ": a folder without photos; .png, .jpg and .jpeg are read");
  if (files.others > 0)
    console_.warn(path + ": " + std::to_string(files.others) + " files that are neither .png nor .jpg were left out");
  for (const fs::path& image : files.images) paths_.push_back(image.string());
}

void Photos::append(const std::string& path, Subjects& subjects) {
  const std::int64_t side = options_.side;
  const bool piped = path == standard_input;
  const Bytes bytes = piped ? read_standard_input(options_.stop) : Bytes();
  const auto resized = [&](std::int64_t height, std::int64_t width) {
    return piped ? decode_resized(bytes, "standard input", height, width, options_.stop)
                 : read_resized(path, height, width, options_.stop);
  };
  const ResizedImage photo = resized(side, side);
  std::optional<Picture> picture;
  if (answered_ < options_.pictures) {
    const Extents extents = fitting_extents(photo.height, photo.width);
    Image seen = resized(extents.height, extents.width).image;
    picture = {seen.width, seen.height, std::move(seen.pixels)};
  }
  if (!photo.keeps_aspect() && !std::exchange(told_of_aspect_, true))
    console_.note("photos are resized to " + std::to_string(side) + "x" + std::to_string(side) +
                  ", which changes their aspect ratio");
  const std::vector<std::uint8_t> pixels = with_channels(photo.image.pixels, 3, options_.channels);
  subjects.images.pixels.insert(subjects.images.pixels.end(), pixels.begin(), pixels.end());
  subjects.images.labels.push_back(0);  // not known, and not used
  ++subjects.images.count;
  subjects.names.push_back(path);
  if (picture) subjects.pictures.push_back(std::move(*picture));
  ++answered_;
}

template <class Action>
void Photos::attempt(const std::string& path, const Action& action) {
  if (options_.stop->load()) throw Interrupted("stopped while reading photos");
  try {
    action();
  } catch (const DataError& error) {
    failed_.push_back(error.what());
    if (!alone_) console_.warn(error.what());  // else finish() throws it
    console_.object(Json{{"image", path}, {"error", error.what()}}.dump(-1, ' ', false, Json::error_handler_t::replace));
  }
}

}  // namespace tessera

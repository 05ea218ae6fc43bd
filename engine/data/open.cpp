#include "engine/data/open.h"

#include <system_error>
#include <utility>

#include "engine/core/error.h"
#include "engine/data/cifar.h"
#include "engine/data/idx.h"
#include "engine/data/image_folder.h"
#include "engine/data/seen.h"
#include "engine/data/stl10.h"
#include "engine/data/synthetic.h"
#include "engine/files/address.h"
#include "engine/image/channels.h"
#include "engine/image/resize.h"

namespace tessera {
namespace fs = std::filesystem;

namespace {

constexpr DatasetFormat formats[] = {
    {"synthetic", "the word synthetic", is_synthetic, open_synthetic},
    {"CIFAR binary", "a folder with data_batch_*.bin or test_batch.bin (CIFAR-10), or train.bin and test.bin (CIFAR-100)",
     is_cifar_binary, open_cifar_binary, true},
    {"CIFAR python", "a folder of the same pickled, data_batch_* or train", is_cifar_python, open_cifar_python, true},
    {"CIFAR archive", "a .tar.gz of either", is_cifar_archive, open_cifar_archive, true},
    {"STL-10", "a folder with train_X.bin or test_X.bin", is_stl10, open_stl10},
    {"IDX", "a folder with train-images-idx3-ubyte(.gz) or t10k-images-idx3-ubyte(.gz)", is_idx, open_idx},
    {"images", "a folder with train/<class>/*.png|jpg and test/<class>/*", is_image_folder, open_image_folder},
};

std::string list(const std::vector<fs::path>& paths) {
  std::string text;
  for (const fs::path& path : paths) text += (text.empty() ? "" : ", ") + path.string();
  return text;
}

// Brings images of another size to the square asked for.
void resize(ImageSet& set, std::int64_t size, const OpenOptions& options) {
  ImageSet out{.count = set.count, .height = size, .width = size, .channels = set.channels};
  out.pixels.reserve(static_cast<std::size_t>(set.count * out.image_size()));
  for (std::int64_t n = 0; n < set.count; ++n) {
    if (n % 256 == 0) poll(options);
    const Image image = resize_bicubic({set.height, set.width, with_channels(set.image(n), set.channels, 3)}, size, size);
    const std::vector<std::uint8_t> pixels = with_channels(image.pixels, 3, set.channels);
    out.pixels.insert(out.pixels.end(), pixels.begin(), pixels.end());
  }
  out.labels = std::move(set.labels);
  set = std::move(out);
}

Dataset open_with(const DatasetFormat& format, const fs::path& path, const OpenOptions& options) {
  if (!options.labels.empty() && !format.has_kinds_of_labels)
    throw UsageError("--labels " + printable(options.labels) + ": " + printable(path.string()) + " has one kind of labels");
  Dataset data = format.open(path, options);
  const std::int64_t size = options.image_size;
  std::string from;  // the size that was not the one asked for
  for (ImageSet* set : {&data.train, &data.validation, &data.test}) {
    if (size > 0 && set->count == 0) set->height = set->width = size;
    if (size == 0 || set->count == 0 || (set->height == size && set->width == size)) continue;
    from = std::to_string(set->width) + "x" + std::to_string(set->height);
    if (set->height != set->width)
      data.warnings.push_back(path.string() + ": images of " + from +
                              ": resized to a square they change their aspect ratio");
    resize(*set, size, options);
  }
  bool made_grey = false;
  for (ImageSet* set : {&data.train, &data.validation, &data.test}) {
    if (std::exchange(set->channels, options.channels) == options.channels || set->count == 0) continue;
    set->pixels = with_channels(set->pixels, 3, options.channels);
    made_grey = true;
  }
  if (!from.empty())
    data.description += ", resized from " + from + " to " + std::to_string(size) + "x" + std::to_string(size);
  if (made_grey) data.description += ", made grey";
  return data;
}

}  // namespace

std::span<const DatasetFormat> dataset_formats() { return formats; }

const DatasetFormat* format_of(const fs::path& path) {
  for (const DatasetFormat& format : formats)
    if (format.recognises(path)) return &format;
  return nullptr;
}

void poll(const OpenOptions& options) {
  if (options.stop != nullptr && options.stop->load(std::memory_order_relaxed))
    throw Interrupted("stopped while loading data");
}

void report(const OpenOptions& options, const Loading& loading) {
  if (options.on_loading) options.on_loading(loading);
}

Dataset open_dataset(const std::string& data, const OpenOptions& options) {
  poll(options);
  const fs::path path(data);
  if (const DatasetFormat* format = format_of(path)) return open_with(*format, path, options);

  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (data.empty() || !fs::exists(status))
    throw DataError(printable(data) + ": " +
                    (error && error != std::errc::no_such_file_or_directory ? error.message() : "no such file or folder") +
                    advice_on_address(path) + "; give the folder of a data set, or the word synthetic");
  if (fs::is_other(status)) throw DataError(printable(data) + ": is neither a file nor a folder");

  const std::vector<fs::path> inside = data_sets_inside(path);
  if (inside.size() == 1) {
    Dataset found = open_with(*format_of(inside[0]), inside[0], options);
    found.warnings.insert(found.warnings.begin(),
                          printable(data) + ": taken for the data set inside it, " + inside[0].string());
    return found;
  }
  const std::string hint = inside.empty() ? seen_in_place_of_data(path) : "it holds several: give one of " + list(inside);
  std::string known;
  for (const DatasetFormat& format : formats) known += std::string(known.empty() ? "" : ", or ") + format.looks_like;
  throw DataError(printable(data) + ": no data set found there" + (hint.empty() ? "" : "; " + hint) + "; looked for " +
                  known);
}

}  // namespace tessera

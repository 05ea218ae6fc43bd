#include "engine/data/idx.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "engine/core/error.h"
#include "engine/files/gzip.h"
#include "engine/files/io.h"

namespace tessera {
namespace fs = std::filesystem;
namespace {

constexpr std::int64_t side = 32, channels = 3;
constexpr std::uint64_t largest_file_bytes = std::uint64_t{1} << 30;  // read or decompressed
constexpr std::uint64_t largest_set_bytes = std::uint64_t{4} << 30;   // as 32x32x3
constexpr std::int64_t images_per_poll = 1000;
constexpr std::array<const char*, 10> fashion_classes = {"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
                                                         "Sandal",      "Shirt",   "Sneaker",  "Bag",   "Ankle boot"};
// IDX files do not say what they show; the first training labels tell the two well-known sets apart.
constexpr std::array<std::int32_t, 10> first_labels_of_fashion = {9, 0, 0, 3, 0, 2, 7, 2, 5, 5};
constexpr std::array<std::int32_t, 10> first_labels_of_digits = {5, 0, 4, 1, 9, 2, 1, 3, 1, 4};

// The file of that name, as it is or with .gz.
std::optional<fs::path> find_file(const fs::path& folder, const std::string& name) {
  std::error_code ignored;
  for (const fs::path& path : {folder / name, folder / (name + ".gz")})
    if (fs::exists(path, ignored)) return path;
  return std::nullopt;
}

fs::path need_file(const fs::path& folder, const std::string& name) {
  if (const std::optional<fs::path> path = find_file(folder, name)) return *path;
  throw DataError(folder.string() + ": IDX data set without " + name + " (or " + name + ".gz)");
}

struct Idx {
  std::string where;
  std::vector<std::int64_t> extents;
  Bytes bytes;  // the whole file; the elements begin at `begin`
  std::size_t begin = 0;

  const std::uint8_t* elements() const { return reinterpret_cast<const std::uint8_t*>(bytes.data()) + begin; }
};

// Reads the header, and computes from it the size that the whole file must have.
std::uint64_t read_header(ByteSpan head, int rank, Idx& idx) {
  const auto broken = [&](std::size_t offset, const std::string& reason) {
    throw DataError(idx.where + ": byte " + std::to_string(offset) + ": " + reason + "; fetch it again");
  };
  idx.begin = 4 + 4 * static_cast<std::size_t>(rank);
  if (head.size() < idx.begin)
    broken(head.size(), "the file ends in its header of " + std::to_string(idx.begin) + " bytes; it was cut or is empty");
  const auto at = [&](std::size_t i) { return std::to_integer<std::uint32_t>(head[i]); };
  if (at(0) != 0 || at(1) != 0 || at(2) != 8 || at(3) != static_cast<std::uint32_t>(rank))
    broken(0, "no IDX file of unsigned bytes of rank " + std::to_string(rank) + " (an error page?)");
  std::uint64_t size = 1;
  for (int axis = 0; axis < rank; ++axis) {
    const std::size_t i = 4 + 4 * static_cast<std::size_t>(axis);
    const std::uint64_t extent = at(i) << 24 | at(i + 1) << 16 | at(i + 2) << 8 | at(i + 3);
    if (extent == 0) broken(i, "extent " + std::to_string(axis) + " is zero");
    if (__builtin_mul_overflow(size, extent, &size) || size > largest_file_bytes)
      broken(i, "the extents ask for more than 1 GiB");
    idx.extents.push_back(static_cast<std::int64_t>(extent));
  }
  return idx.begin + size;
}

Idx read_idx(const fs::path& path, int rank) {
  Idx idx{.where = path.string(), .extents = {}, .bytes = {}, .begin = 0};
  const std::uint64_t head_size = 4 + 4 * static_cast<std::uint64_t>(rank);
  Bytes file = read_file(path, largest_file_bytes + head_size, ExitCode::data);
  std::uint64_t expected = 0;
  if (is_gzip(file)) {
    expected = read_header(gunzip_prefix(file, head_size, idx.where, ExitCode::data), rank, idx);
    idx.bytes = gunzip(file, expected, idx.where, ExitCode::data);
  } else {
    expected = read_header(std::span(file).first(std::min<std::size_t>(file.size(), head_size)), rank, idx);
    idx.bytes = std::move(file);
  }
  if (idx.bytes.size() != expected)
    throw DataError(idx.where + ": byte " + std::to_string(std::min<std::uint64_t>(idx.bytes.size(), expected)) +
                    ": holds " + std::to_string(idx.bytes.size()) + " bytes, its header asks for " +
                    std::to_string(expected) + "; it was cut or damaged, fetch it again");
  return idx;
}

ImageSet read_set(const fs::path& folder, const std::string& prefix, const OpenOptions& options) {
  poll(options);
  const Idx images = read_idx(need_file(folder, prefix + "-images-idx3-ubyte"), 3);
  poll(options);
  const Idx labels = read_idx(need_file(folder, prefix + "-labels-idx1-ubyte"), 1);
  const std::int64_t count = images.extents[0], rows = images.extents[1], columns = images.extents[2];
  if (rows > side || columns > side)
    throw DataError(images.where + ": byte 8: images of " + std::to_string(rows) + "x" + std::to_string(columns) +
                    "; at most 32x32 are read");
  if (labels.extents[0] != count)
    throw DataError(labels.where + ": byte 4: " + std::to_string(labels.extents[0]) + " labels for the " +
                    std::to_string(count) + " images of " + images.where);

  ImageSet set{.count = count, .height = side, .width = side, .channels = channels};
  if (static_cast<std::uint64_t>(count) * static_cast<std::uint64_t>(set.image_size()) > largest_set_bytes)
    throw DataError(images.where + ": byte 4: " + std::to_string(count) + " images do not fit 4 GiB as 32x32x3");
  set.labels.assign(labels.elements(), labels.elements() + count);
  set.pixels.resize(static_cast<std::size_t>(count * set.image_size()));
  const std::int64_t top = (side - rows) / 2, left = (side - columns) / 2;
  for (std::int64_t n = 0; n < count; ++n) {
    if (n % images_per_poll == 0) poll(options);
    for (std::int64_t y = 0; y < rows; ++y) {
      const std::uint8_t* from = images.elements() + (n * rows + y) * columns;
      std::uint8_t* to = set.pixels.data() + n * set.image_size() + ((top + y) * side + left) * channels;
      for (std::int64_t x = 0; x < columns; ++x)
        for (std::int64_t c = 0; c < channels; ++c) to[x * channels + c] = from[x];
    }
  }
  return set;
}

bool begins_with(const ImageSet& set, const std::array<std::int32_t, 10>& labels) {
  return set.labels.size() >= labels.size() && std::equal(labels.begin(), labels.end(), set.labels.begin());
}

void name_classes(Dataset& data) {
  std::int32_t last = 0;
  for (const ImageSet* set : {&data.train, &data.test})
    last = std::max(last, *std::max_element(set->labels.begin(), set->labels.end()));
  if (last < 10 && !begins_with(data.train, first_labels_of_digits)) {
    data.classes.assign(fashion_classes.begin(), fashion_classes.end());
    if (!begins_with(data.train, first_labels_of_fashion))
      data.warnings.push_back(
          "IDX files hold no class names, and these are not the official ones; Fashion-MNIST's names are used");
    return;
  }
  for (std::int32_t label = 0; label <= std::max(last, 9); ++label) data.classes.push_back(std::to_string(label));
}

}  // namespace

bool is_idx(const fs::path& folder) {
  return find_file(folder, "train-images-idx3-ubyte") || find_file(folder, "t10k-images-idx3-ubyte");
}

Dataset open_idx(const fs::path& folder, const OpenOptions& options) {
  Dataset data;
  data.train = read_set(folder, "train", options);
  data.test = read_set(folder, "t10k", options);
  data.train_parts = {{"train-images-idx3-ubyte", 0, data.train.count}};
  name_classes(data);
  data.description = "IDX in " + folder.string() + ": " + std::to_string(data.train.count) + " training images, " +
                     std::to_string(data.test.count) + " test images, grey, centred on 32x32; classes " +
                     data.classes.front() + " … " + data.classes.back();
  return data;
}

}  // namespace tessera

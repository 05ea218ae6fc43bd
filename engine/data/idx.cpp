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

constexpr std::uint64_t largest_file_bytes = std::uint64_t{1} << 30;  // read or decompressed
constexpr std::uint64_t largest_set_bytes = std::uint64_t{4} << 30;   // of all channels asked for
constexpr std::int64_t images_per_poll = 1000;
constexpr std::array<const char*, 10> fashion_classes = {"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
                                                         "Sandal",      "Shirt",   "Sneaker",  "Bag",   "Ankle boot"};
// IDX files do not say what they show; the first labels tell the two well-known sets apart.
using FirstLabels = std::array<std::int32_t, 10>;
constexpr FirstLabels fashion_train = {9, 0, 0, 3, 0, 2, 7, 2, 5, 5}, fashion_test = {9, 2, 1, 1, 6, 1, 4, 6, 5, 7};
constexpr FirstLabels digits_train = {5, 0, 4, 1, 9, 2, 1, 3, 1, 4}, digits_test = {7, 2, 1, 0, 4, 1, 4, 9, 5, 9};

constexpr const char *train = "train", *test = "t10k";

// Half of a data set: "train-images-idx3-ubyte" is the `images` file of "train".
struct Kind {
  const char *word, *end;
  int rank;
};
constexpr Kind images_file{"-images", "idx3-ubyte", 3}, labels_file{"-labels", "idx1-ubyte", 1};

std::string name_of(const char* part, const Kind& kind, char joint = '-') {
  return part + std::string(kind.word) + joint + kind.end;
}

std::optional<fs::path> find_file(const fs::path& folder, const char* part, const Kind& kind) {
  std::error_code ignored;
  for (const char joint : {'-', '.'}) {
    const std::string name = name_of(part, kind, joint);
    for (const fs::path& path : {folder / name / name, folder / name, folder / (name + ".gz")})
      if (fs::exists(path, ignored)) return path;
  }
  return std::nullopt;
}

fs::path need_file(const fs::path& folder, const char* part, const Kind& kind) {
  if (const std::optional<fs::path> path = find_file(folder, part, kind)) return *path;
  const std::string name = name_of(part, kind);
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

// Empty where neither file of this half is there.
ImageSet read_set(const fs::path& folder, const char* part, const OpenOptions& options, std::vector<std::string>& warnings) {
  if (!find_file(folder, part, images_file) && !find_file(folder, part, labels_file)) {
    warnings.push_back(folder.string() + ": is without " + name_of(part, images_file) + "; there is nothing to " +
                       (part == train ? "train" : "test") + " with");
    return {.channels = options.channels};
  }
  poll(options);
  const Idx images = read_idx(need_file(folder, part, images_file), images_file.rank);
  poll(options);
  const Idx labels = read_idx(need_file(folder, part, labels_file), labels_file.rank);
  const std::int64_t count = images.extents[0], rows = images.extents[1], columns = images.extents[2];
  if (labels.extents[0] != count)
    throw DataError(labels.where + ": byte 4: " + std::to_string(labels.extents[0]) + " labels for the " +
                    std::to_string(count) + " images of " + images.where);

  const std::int64_t square = options.image_size > 0 ? options.image_size : options.default_size;
  const bool fits = rows <= square && columns <= square;
  const std::int64_t channels = options.channels;
  ImageSet set{.count = count, .height = fits ? square : rows, .width = fits ? square : columns, .channels = channels};
  const auto bytes = static_cast<std::uint64_t>(count) * static_cast<std::uint64_t>(set.image_size());
  if (bytes > largest_set_bytes)
    throw DataError(images.where + ": byte 4: " + std::to_string(count) + " images do not fit 4 GiB as " +
                    std::to_string(set.width) + "x" + std::to_string(set.height) + "x" + std::to_string(channels));
  report(options, {.images = count, .bytes = bytes});
  set.labels.assign(labels.elements(), labels.elements() + count);
  set.pixels.resize(static_cast<std::size_t>(bytes));
  const std::int64_t top = (set.height - rows) / 2, left = (set.width - columns) / 2;
  for (std::int64_t n = 0; n < count; ++n) {
    if (n % images_per_poll == 0) poll(options);
    for (std::int64_t y = 0; y < rows; ++y) {
      const std::uint8_t* from = images.elements() + (n * rows + y) * columns;
      std::uint8_t* to = set.pixels.data() + n * set.image_size() + ((top + y) * set.width + left) * channels;
      for (std::int64_t x = 0; x < columns; ++x)
        for (std::int64_t c = 0; c < channels; ++c) to[x * channels + c] = from[x];
    }
  }
  return set;
}

bool begins_with(const ImageSet& set, const FirstLabels& labels) {
  return set.labels.size() >= labels.size() && std::equal(labels.begin(), labels.end(), set.labels.begin());
}

void name_classes(Dataset& data) {
  std::int32_t last = 0;
  for (const ImageSet* set : {&data.train, &data.test})
    for (const std::int32_t label : set->labels) last = std::max(last, label);
  const auto is = [&](const FirstLabels& of_train, const FirstLabels& of_test) {
    return data.train.count > 0 ? begins_with(data.train, of_train) : begins_with(data.test, of_test);
  };
  if (last < 10 && !is(digits_train, digits_test)) {
    data.classes.assign(fashion_classes.begin(), fashion_classes.end());
    if (!is(fashion_train, fashion_test))
      data.warnings.push_back(
          "IDX files hold no class names, and these are not the official ones; Fashion-MNIST's names are used");
    return;
  }
  for (std::int32_t label = 0; label <= std::max(last, 9); ++label) data.classes.push_back(std::to_string(label));
}

}  // namespace

bool is_idx_file_name(const std::string& name) {
  for (const char* part : {train, test})
    for (const Kind& kind : {images_file, labels_file})
      for (const char joint : {'-', '.'})
        if (const std::string known = name_of(part, kind, joint); name == known || name == known + ".gz") return true;
  return false;
}

bool is_idx(const fs::path& folder) { return find_file(folder, train, images_file) || find_file(folder, test, images_file); }

Dataset open_idx(const fs::path& folder, const OpenOptions& options) {
  Dataset data;
  data.train = read_set(folder, train, options, data.warnings);
  data.test = read_set(folder, test, options, data.warnings);
  data.train_parts = {{"train-images-idx3-ubyte", 0, data.train.count}};
  name_classes(data);
  const ImageSet& set = data.train.count > 0 ? data.train : data.test;
  if (data.train.count > 0 && data.test.count > 0 && (data.test.height != set.height || data.test.width != set.width) &&
      options.image_size == 0)
    throw DataError(folder.string() + ": images of several sizes; give one size for all: --image-size N");
  data.description = "IDX in " + folder.string() + ": " + std::to_string(data.train.count) + " training images, " +
                     std::to_string(data.test.count) + " test images, grey" +
                     (set.channels == 3 ? " in three equal channels" : "") + ", on " + std::to_string(set.width) + "x" +
                     std::to_string(set.height) + "; classes " + data.classes.front() + " … " + data.classes.back();
  return data;
}

}  // namespace tessera

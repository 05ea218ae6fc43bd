#include "engine/data/cifar_binary.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

#include "engine/core/error.h"
#include "engine/files/io.h"

namespace tessera {
namespace fs = std::filesystem;
namespace {

constexpr std::int64_t side = 32, plane = side * side, channels = 3, classes = 10;
constexpr std::int64_t record = 1 + channels * plane, official_records = 10000;
constexpr std::int64_t records_per_read = 1000;  // between two looks at the stop flag
constexpr std::uint64_t largest_batch = std::uint64_t{4} << 30;
constexpr const char* standard_classes[classes] = {"airplane", "automobile", "bird",  "cat",  "deer",
                                                   "dog",      "frog",       "horse", "ship", "truck"};

// N of "data_batch_N.bin"; -1 for other names.
std::int64_t batch_number(const std::string& name) {
  constexpr std::string_view prefix = "data_batch_", suffix = ".bin";
  if (!name.starts_with(prefix) || !name.ends_with(suffix) || name.size() <= prefix.size() + suffix.size()) return -1;
  const std::string digits = name.substr(prefix.size(), name.size() - prefix.size() - suffix.size());
  if (digits.size() > 9 || digits.find_first_not_of("0123456789") != digits.npos) return -1;
  return std::stoll(digits);
}

// The data_batch_*.bin of a folder in numeric order.
std::vector<fs::path> training_files(const fs::path& folder) {
  std::vector<std::pair<std::int64_t, fs::path>> numbered;
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, ignored))
    if (const std::int64_t number = batch_number(entry.path().filename().string()); number >= 0)
      numbered.emplace_back(number, entry.path());
  std::sort(numbered.begin(), numbered.end());
  std::vector<fs::path> paths;
  for (auto& [number, path] : numbered) paths.push_back(std::move(path));
  return paths;
}

[[noreturn]] void broken(const fs::path& path, std::int64_t offset, const std::string& reason) {
  throw DataError(path.string() + ": byte " + std::to_string(offset) + ": " + reason);
}

std::int64_t records_in(const File& file) {
  const std::uint64_t size = file.size();
  const fs::path& path = file.path();
  const std::string records_are = "records of " + std::to_string(record) + " bytes";
  if (size == 0) broken(path, 0, "the file is empty; " + records_are + " are expected, fetch it again");
  if (size > largest_batch) broken(path, 0, "the file has " + std::to_string(size) + " bytes; more than 4 GiB are not read");
  const auto whole = static_cast<std::int64_t>(size) / record;
  if (const auto rest = static_cast<std::int64_t>(size) % record; rest != 0)
    broken(path, whole * record,
           "the last record has " + std::to_string(rest) + " bytes of " + std::to_string(record) +
               "; the file was cut, or is not CIFAR-10 (an error page?), fetch it again");
  return whole;
}

// Appends a file's images: planes R, G, B of each record become N,H,W,C.
void append_file(const fs::path& path, const OpenOptions& options, ImageSet& set, std::vector<std::string>& warnings) {
  File file(path, File::Mode::read, ExitCode::data);
  const std::int64_t records = records_in(file);
  if (records != official_records)
    warnings.push_back(path.string() + ": has " + std::to_string(records) + " images, the official file has 10000");

  set.labels.reserve(static_cast<std::size_t>(set.count + records));
  set.pixels.resize(static_cast<std::size_t>((set.count + records) * channels * plane));
  Bytes buffer(static_cast<std::size_t>(std::min(records, records_per_read) * record));
  for (std::int64_t done = 0; done < records;) {
    poll(options);
    const std::int64_t now = std::min(records_per_read, records - done);
    const std::span<std::byte> bytes = std::span(buffer).first(static_cast<std::size_t>(now * record));
    file.read_exactly(bytes);
    for (std::int64_t i = 0; i < now; ++i) {
      const auto* from = reinterpret_cast<const std::uint8_t*>(bytes.data()) + i * record;
      if (from[0] >= classes)
        broken(path, (done + i) * record,
               "label " + std::to_string(from[0]) + " of record " + std::to_string(done + i) +
                   " is not below 10; the file is damaged or not CIFAR-10, fetch it again");
      set.labels.push_back(from[0]);
      std::uint8_t* to = set.pixels.data() + (set.count + done + i) * channels * plane;
      for (std::int64_t p = 0; p < plane; ++p)
        for (std::int64_t c = 0; c < channels; ++c) to[p * channels + c] = from[1 + c * plane + p];
    }
    done += now;
  }
  set.count += records;
}

// Ten lines of short printable names, all different; otherwise the standard ones.
std::vector<std::string> class_names(const fs::path& folder, std::vector<std::string>& warnings) {
  const std::vector<std::string> standard(std::begin(standard_classes), std::end(standard_classes));
  const fs::path path = folder / "batches.meta.txt";
  std::error_code ignored;
  if (!fs::is_regular_file(path, ignored)) return standard;

  constexpr std::uint64_t limit = 4096;
  constexpr std::size_t longest_name = 40;
  std::vector<std::string> names(1);
  bool sane = fs::file_size(path, ignored) <= limit;
  if (sane) {
    const Bytes bytes = read_file(path, limit, ExitCode::data);
    for (const char c : text_of(bytes)) {
      if (c == '\n') {
        names.emplace_back();
      } else if (c != '\r') {
        sane = sane && std::isprint(static_cast<unsigned char>(c)) != 0;
        names.back() += c;
      }
    }
    std::erase(names, "");
    std::vector<std::string> sorted = names;
    std::sort(sorted.begin(), sorted.end());
    sane = sane && names.size() == classes && std::adjacent_find(sorted.begin(), sorted.end()) == sorted.end() &&
           std::all_of(names.begin(), names.end(), [](const std::string& name) { return name.size() <= longest_name; });
  }
  if (sane) return names;
  warnings.push_back(path.string() + ": does not hold ten class names; the standard ones are used");
  return standard;
}

}  // namespace

bool is_cifar_binary(const fs::path& folder) {
  std::error_code ignored;
  return fs::exists(folder / "test_batch.bin", ignored) || !training_files(folder).empty();
}

Dataset open_cifar_binary(const fs::path& folder, const OpenOptions& options) {
  const std::vector<fs::path> files = training_files(folder);
  if (files.empty()) throw DataError(folder.string() + ": has test_batch.bin, but no data_batch_*.bin to train with");
  std::error_code ignored;
  if (!fs::exists(folder / "test_batch.bin", ignored))
    throw DataError(folder.string() + ": has data_batch_*.bin, but no test_batch.bin");

  Dataset data;
  data.train = data.test = {.count = 0, .height = side, .width = side, .channels = channels, .pixels = {}, .labels = {}};
  for (const fs::path& path : files) {
    const std::int64_t begin = data.train.count;
    append_file(path, options, data.train, data.warnings);
    data.train_parts.push_back({path.stem().string(), begin, data.train.count});
  }
  append_file(folder / "test_batch.bin", options, data.test, data.warnings);
  data.classes = class_names(folder, data.warnings);
  data.description = "CIFAR-10 (binary) in " + folder.string() + ": " + std::to_string(data.train.count) +
                     " training images in " + std::to_string(files.size()) + " files, " + std::to_string(data.test.count) +
                     " test images";
  return data;
}

}  // namespace tessera

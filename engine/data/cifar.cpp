#include "engine/data/cifar.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <optional>
#include <utility>

#include "engine/core/error.h"
#include "engine/data/cifar_binary.h"
#include "engine/data/cifar_layout.h"
#include "engine/data/cifar_python.h"
#include "engine/files/tar.h"

namespace tessera {
namespace fs = std::filesystem;
namespace {

constexpr std::int64_t official_images = 10000;
constexpr std::uint64_t largest_batch = std::uint64_t{4} << 30, largest_archive = std::uint64_t{1} << 30;
constexpr std::uint64_t largest_names_file = 4096;
constexpr std::size_t longest_class_name = 40;
constexpr const char* standard_classes[cifar::classes] = {"airplane", "automobile", "bird",  "cat",  "deer",
                                                          "dog",      "frog",       "horse", "ship", "truck"};

enum class Version { binary, python };
enum class Role { train, test, names };

const char* suffix_of(Version version) { return version == Version::binary ? ".bin" : ""; }
const char* name_of(Version version) { return version == Version::binary ? "binary" : "python"; }

// What a file is, by its name.
struct CifarFile {
  Version version;
  Role role;
  std::int64_t number;  // of a training file
};
std::optional<CifarFile> cifar_file(std::string_view name) {
  if (name == "batches.meta.txt") return CifarFile{Version::binary, Role::names, 0};
  if (name == "batches.meta") return CifarFile{Version::python, Role::names, 0};
  Version version = Version::python;
  if (name.ends_with(".bin")) version = Version::binary, name.remove_suffix(4);
  if (name == "test_batch") return CifarFile{version, Role::test, 0};
  constexpr std::string_view prefix = "data_batch_";
  if (!name.starts_with(prefix)) return std::nullopt;
  const std::string digits(name.substr(prefix.size()));
  if (digits.empty() || digits.size() > 9 || digits.find_first_not_of("0123456789") != digits.npos) return std::nullopt;
  return CifarFile{version, Role::train, std::stoll(digits)};
}

// Gathers the files of one data set in whatever order they come.
class Collection {
 public:
  Collection(std::string where, Version version) : where_(std::move(where)), version_(version) {}

  void add(const CifarFile& file, ByteSpan bytes, const std::string& where) {
    if (file.role == Role::names) return add_names(bytes, where);
    ImageSet set = version_ == Version::binary ? parse_cifar_binary(bytes, where) : parse_cifar_python(bytes, where);
    if (set.count != official_images)
      warnings_.push_back(where + ": has " + std::to_string(set.count) + " images, the official file has 10000");
    const bool fresh =
        file.role == Role::train ? train_.try_emplace(file.number, std::move(set)).second : !std::exchange(has_test_, true);
    if (!fresh) throw DataError(where + ": the data set has this file twice");
    if (file.role == Role::test) test_ = std::move(set);
  }

  Dataset finish() {
    const std::string suffix = suffix_of(version_);
    if (train_.empty())
      throw DataError(where_ + ": has test_batch" + suffix + ", but no data_batch_*" + suffix + " to train with");
    if (!has_test_) throw DataError(where_ + ": has data_batch_*" + suffix + ", but no test_batch" + suffix);
    Dataset data;
    data.train = cifar::empty_set();
    std::int64_t total = 0;
    for (const auto& [number, set] : train_) total += set.count;
    cifar::reserve(data.train, total);
    for (auto& [number, set] : train_) {
      data.train_parts.push_back({"data_batch_" + std::to_string(number), data.train.count, data.train.count + set.count});
      data.train.pixels.insert(data.train.pixels.end(), set.pixels.begin(), set.pixels.end());
      data.train.labels.insert(data.train.labels.end(), set.labels.begin(), set.labels.end());
      data.train.count += set.count;
      set = {};  // its memory is not needed twice
    }
    data.test = std::move(test_);
    data.classes = names_.empty() ? std::vector<std::string>(std::begin(standard_classes), std::end(standard_classes))
                                  : std::move(names_);
    data.description = std::string("CIFAR-10 (") + name_of(version_) + ") in " + where_ + ": " +
                       std::to_string(data.train.count) + " training images in " + std::to_string(train_.size()) +
                       " files, " + std::to_string(data.test.count) + " test images";
    data.warnings = std::move(warnings_);
    return data;
  }

 private:
  // Ten short printable names, all different; otherwise the standard ones.
  void add_names(ByteSpan bytes, const std::string& where) {
    std::vector<std::string> names;
    try {
      if (bytes.size() <= largest_names_file)
        names = version_ == Version::binary ? parse_cifar_binary_names(bytes) : parse_cifar_python_names(bytes, where);
    } catch (const DataError& error) {
      warnings_.push_back(error.what());
    }
    std::vector<std::string> sorted = names;
    std::sort(sorted.begin(), sorted.end());
    const bool sane = names.size() == cifar::classes && std::adjacent_find(sorted.begin(), sorted.end()) == sorted.end() &&
                      std::all_of(names.begin(), names.end(), [](const std::string& name) {
                        return !name.empty() && name.size() <= longest_class_name &&
                               std::all_of(name.begin(), name.end(), [](unsigned char c) { return std::isprint(c) != 0; });
                      });
    if (sane)
      names_ = std::move(names);
    else
      warnings_.push_back(where + ": does not hold ten class names; the standard ones are used");
  }

  std::string where_;
  Version version_;
  std::map<std::int64_t, ImageSet> train_;
  ImageSet test_;
  bool has_test_ = false;
  std::vector<std::string> names_, warnings_;
};

// The files of a folder that belong to a version, test and names last.
std::vector<std::pair<CifarFile, fs::path>> files_in(const fs::path& folder, Version version) {
  std::vector<std::pair<CifarFile, fs::path>> files;
  std::error_code ignored;
  if (!fs::is_directory(folder, ignored)) return files;
  for (const fs::path& path : list_folder(folder, ExitCode::data))
    if (const auto file = cifar_file(path.filename().string()); file && file->version == version)
      files.emplace_back(*file, path);
  std::sort(files.begin(), files.end(), [](const auto& a, const auto& b) {
    return std::pair(a.first.role, a.first.number) < std::pair(b.first.role, b.first.number);
  });
  return files;
}

bool is_cifar_folder(const fs::path& folder, Version version) {
  const auto files = files_in(folder, version);
  return std::any_of(files.begin(), files.end(), [](const auto& file) { return file.first.role != Role::names; });
}

Bytes read_batch(const fs::path& path) {
  File file(path, File::Mode::read, ExitCode::data);
  const std::uint64_t size = file.size();
  if (size > largest_batch)
    throw DataError(path.string() + ": byte 0: the file has " + std::to_string(size) +
                    " bytes; more than 4 GiB are not read");
  Bytes bytes(static_cast<std::size_t>(size));
  file.read_exactly(bytes);
  return bytes;
}

Dataset open_cifar_folder(const fs::path& folder, Version version, const OpenOptions& options) {
  Collection collection(folder.string(), version);
  for (const auto& [file, path] : files_in(folder, version)) {
    poll(options);
    std::error_code ignored;
    if (file.role != Role::names)
      collection.add(file, read_batch(path), path.string());
    else if (fs::is_regular_file(path, ignored))
      collection.add(file, fs::file_size(path, ignored) <= largest_names_file ? read_batch(path) : Bytes(), path.string());
  }
  return collection.finish();
}

}  // namespace

bool is_cifar_binary(const fs::path& folder) { return is_cifar_folder(folder, Version::binary); }
bool is_cifar_python(const fs::path& folder) { return is_cifar_folder(folder, Version::python); }

Dataset open_cifar_binary(const fs::path& folder, const OpenOptions& options) {
  return open_cifar_folder(folder, Version::binary, options);
}
Dataset open_cifar_python(const fs::path& folder, const OpenOptions& options) {
  return open_cifar_folder(folder, Version::python, options);
}

bool is_cifar_archive(const fs::path& path) {
  std::error_code ignored;
  if (!fs::is_regular_file(path, ignored)) return false;
  std::array<std::byte, 2> head{};
  File file(path, File::Mode::read, ExitCode::data);
  if (file.size() < head.size()) return false;
  file.read_exactly(head);
  return is_gzip(head);
}

Dataset open_cifar_archive(const fs::path& path, const OpenOptions& options) {
  const Bytes compressed = read_file(path, largest_archive, ExitCode::data);
  TarGzReader archive(compressed, path.string());
  std::optional<Collection> collection;
  std::optional<Version> version;
  while (const std::optional<TarMember> member = archive.next()) {
    poll(options);
    const std::string where = path.string() + ": " + printable(member->name);
    if (("/" + member->name + "/").find("/../") != std::string::npos)
      throw DataError(where + ": a name that climbs out of its folder; this is not the published archive");
    const std::optional<CifarFile> file = cifar_file(member->base_name());
    if (!file || member->kind == TarMember::Kind::folder || member->kind == TarMember::Kind::other) continue;
    if (member->kind == TarMember::Kind::link)
      throw DataError(where + ": a link in place of data; this is not the published archive");
    if (version && *version != file->version)
      throw DataError(where + ": the archive mixes the binary and the python version");
    if (!version) version = file->version, collection.emplace(path.string(), *version);
    collection->add(*file, archive.read(), where);
  }
  if (!collection) throw DataError(path.string() + ": the archive holds no data_batch_* and no test_batch of CIFAR-10");
  return collection->finish();
}

}  // namespace tessera

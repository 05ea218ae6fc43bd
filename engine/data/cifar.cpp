#include "engine/data/cifar.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <optional>
#include <tuple>
#include <utility>

#include "engine/core/error.h"
#include "engine/data/cifar_binary.h"
#include "engine/data/cifar_python.h"
#include "engine/data/cifar_sets.h"
#include "engine/files/tar.h"

namespace tessera {
namespace fs = std::filesystem;
namespace {

using cifar::Labels;
using cifar::Set;

constexpr std::uint64_t largest_batch = std::uint64_t{4} << 30, largest_archive = std::uint64_t{1} << 30;
constexpr std::uint64_t largest_names_file = 4096;
constexpr std::size_t most_missing_named = 5;

enum class Version { binary, python };
enum class Role { train, test, names };

const char* suffix_of(Version version) { return version == Version::binary ? ".bin" : ""; }
const char* name_of(Version version) { return version == Version::binary ? "binary" : "python"; }

// What a file is, by its name.
struct CifarFile {
  const Set* set;
  Version version;
  Role role;
  std::int64_t number = 0;         // of a training file
  const Labels* labels = nullptr;  // that a text names
};

// The number behind the prefix of a set's training files: 1 of data_batch_1.
std::optional<std::int64_t> training_file(const Set& set, std::string_view name) {
  if (set.train_files == 1) return name == set.train ? std::optional<std::int64_t>(1) : std::nullopt;
  if (!name.starts_with(set.train)) return std::nullopt;
  const std::string digits(name.substr(std::string_view(set.train).size()));
  if (digits.empty() || digits.size() > 9 || digits.find_first_not_of("0123456789") != digits.npos) return std::nullopt;
  return std::stoll(digits);
}

std::optional<CifarFile> cifar_file(std::string_view name) {
  for (const Set& set : cifar::sets()) {
    if (name == set.names) return CifarFile{&set, Version::python, Role::names};
    for (const Labels& labels : set.labels)
      if (name == labels.names_text) return CifarFile{&set, Version::binary, Role::names, 0, &labels};
    const Version version = name.ends_with(".bin") ? Version::binary : Version::python;
    const std::string_view stem = name.substr(0, name.size() - std::string_view(suffix_of(version)).size());
    if (stem == set.test) return CifarFile{&set, version, Role::test};
    if (const auto number = training_file(set, stem)) return CifarFile{&set, version, Role::train, *number};
  }
  return std::nullopt;
}

const Labels& labels_for(const Set& set, const OpenOptions& options) {
  if (options.labels.empty()) return set.labels[0];
  std::string known;
  for (const Labels& labels : set.labels) {
    if (options.labels == labels.word) return labels;
    known += std::string(known.empty() ? "" : ", ") + labels.word;
  }
  throw UsageError("--labels " + printable(options.labels) + ": " + set.name +
                   (set.labels.size() == 1 ? " has one kind of labels" : " has these: " + known));
}

// Gathers the files of one data set in whatever order they come.
class Collection {
 public:
  Collection(std::string where, const Set& set, Version version, const OpenOptions& options)
      : where_(std::move(where)), set_(set), version_(version), labels_(labels_for(set, options)) {}

  void add(const CifarFile& file, ByteSpan bytes, const std::string& where) {
    if (file.role == Role::names) {
      if (file.labels == nullptr || file.labels == &labels_) add_names(bytes, where);
      return;
    }
    ImageSet images = version_ == Version::binary ? parse_cifar_binary(bytes, set_, labels_, where)
                                                  : parse_cifar_python(bytes, set_, labels_, where);
    const std::int64_t official = file.role == Role::train ? set_.images_per_train : set_.images_test;
    if (images.count != official)
      warnings_.push_back(where + ": has " + std::to_string(images.count) + " images, the official file has " +
                          std::to_string(official));
    const bool fresh = file.role == Role::train ? train_.try_emplace(file.number, std::move(images)).second
                                                : !std::exchange(has_test_, true);
    if (!fresh) throw DataError(where + ": the data set has this file twice");
    if (file.role == Role::test) test_ = std::move(images);
  }

  bool empty() const { return train_.empty() && !has_test_; }

  Dataset finish() {
    warn_of_missing_files();
    Dataset data;
    data.train = cifar::empty_set();
    data.test = has_test_ ? std::move(test_) : cifar::empty_set();
    std::int64_t total = 0;
    for (const auto& [number, images] : train_) total += images.count;
    cifar::reserve(data.train, total);
    for (auto& [number, images] : train_) {
      data.train_parts.push_back({train_name(number), data.train.count, data.train.count + images.count});
      data.train.pixels.insert(data.train.pixels.end(), images.pixels.begin(), images.pixels.end());
      data.train.labels.insert(data.train.labels.end(), images.labels.begin(), images.labels.end());
      data.train.count += images.count;
      images = {};  // its memory is not needed twice
    }
    data.classes = std::move(names_);
    if (data.classes.empty()) data.classes.assign(labels_.standard_names.begin(), labels_.standard_names.end());
    for (auto label = static_cast<std::int64_t>(data.classes.size()); label < labels_.classes; ++label)
      data.classes.push_back(std::to_string(label));
    data.description = std::string(set_.name) + " (" + name_of(version_) + ") in " + where_ + ": " +
                       std::to_string(data.train.count) + " training images in " + std::to_string(train_.size()) +
                       (train_.size() == 1 ? " file, " : " files, ") + std::to_string(data.test.count) + " test images";
    data.warnings = std::move(warnings_);
    return data;
  }

 private:
  std::string train_name(std::int64_t number) const {
    return set_.train_files == 1 ? set_.train : set_.train + std::to_string(number);
  }

  // A data set may be a part of the published one, but not silently.
  void warn_of_missing_files() {
    std::vector<std::string> missing;
    const std::int64_t last = train_.empty() ? 0 : train_.rbegin()->first;
    for (std::int64_t number = 1; number <= std::max(set_.train_files, last) && missing.size() <= most_missing_named;
         ++number)
      if (!train_.contains(number)) missing.push_back(train_name(number));
    if (!has_test_) missing.insert(missing.begin(), set_.test);
    if (missing.empty()) return;
    std::string names;
    for (std::size_t i = 0; i < std::min(missing.size(), most_missing_named); ++i)
      names += (i > 0 ? ", " : "") + missing[i] + suffix_of(version_);
    warnings_.push_back(where_ + ": is without " + names + (missing.size() > most_missing_named ? ", …" : "") +
                        (train_.empty() ? "; there is nothing to train with"
                         : !has_test_   ? "; there is nothing to test with"
                                        : "; the images of the other files are all there is"));
  }

  // Short printable names, all different, one for each label; otherwise the standard ones.
  void add_names(ByteSpan bytes, const std::string& where) {
    std::vector<std::string> names;
    try {
      if (bytes.size() <= largest_names_file)
        names =
            version_ == Version::binary ? parse_cifar_binary_names(bytes) : parse_cifar_python_names(bytes, labels_, where);
    } catch (const DataError& error) {
      warnings_.push_back(error.what());
    }
    std::vector<std::string> sorted = names;
    std::sort(sorted.begin(), sorted.end());
    const bool sane = static_cast<std::int64_t>(names.size()) == labels_.classes &&
                      std::adjacent_find(sorted.begin(), sorted.end()) == sorted.end() &&
                      std::all_of(names.begin(), names.end(), may_name_class);
    if (sane)
      names_ = std::move(names);
    else
      warnings_.push_back(where + ": does not hold " + std::to_string(labels_.classes) + " class names; " +
                          (labels_.standard_names.empty() ? "numbers are used" : "the standard ones are used"));
  }

  std::string where_;
  const Set& set_;
  Version version_;
  const Labels& labels_;
  std::map<std::int64_t, ImageSet> train_;
  ImageSet test_;
  bool has_test_ = false;
  std::vector<std::string> names_, warnings_;
};

using Files = std::vector<std::pair<CifarFile, fs::path>>;

// The files of a folder that belong to a version of one set, test and names last. Empty where there are no images.
Files files_in(const fs::path& folder, Version version) {
  Files files;
  std::error_code ignored;
  if (!fs::is_directory(folder, ignored)) return files;
  for (const fs::path& path : list_folder(folder, ExitCode::data)) {
    const auto file = cifar_file(path.filename().string());
    // A folder train/ is one of images; data_batch_1/ can only be a mistake, which reading it will name.
    if (file && file->version == version && !(file->set->train_files == 1 && fs::is_directory(path, ignored)))
      files.emplace_back(*file, path);
  }
  std::sort(files.begin(), files.end(), [](const auto& a, const auto& b) {
    return std::tuple(a.first.set, a.first.role, a.first.number, a.second) <
           std::tuple(b.first.set, b.first.role, b.first.number, b.second);
  });
  const auto images = std::find_if(files.begin(), files.end(), [](const auto& f) { return f.first.role != Role::names; });
  if (images == files.end()) return {};
  std::erase_if(files, [set = images->first.set](const auto& f) { return f.first.set != set; });
  // "train" and "test" are words that other files are called by too: one of them alone says nothing.
  if (files.front().first.set->train_files == 1 && files.size() == 1) return {};
  return files;
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
  const Files files = files_in(folder, version);
  Collection collection(folder.string(), *files.front().first.set, version, options);
  for (const auto& [file, path] : files) {
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

bool is_cifar_binary(const fs::path& folder) { return !files_in(folder, Version::binary).empty(); }
bool is_cifar_python(const fs::path& folder) { return !files_in(folder, Version::python).empty(); }

Dataset open_cifar_binary(const fs::path& folder, const OpenOptions& options) {
  return open_cifar_folder(folder, Version::binary, options);
}
Dataset open_cifar_python(const fs::path& folder, const OpenOptions& options) {
  return open_cifar_folder(folder, Version::python, options);
}

bool is_cifar_file_name(const std::string& name) { return cifar_file(name).has_value(); }

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
  std::optional<CifarFile> first;
  while (const std::optional<TarMember> member = archive.next()) {
    poll(options);
    const std::string where = path.string() + ": " + printable(member->name);
    if (("/" + member->name + "/").find("/../") != std::string::npos)
      throw DataError(where + ": a name that climbs out of its folder; this is not the published archive");
    const std::optional<CifarFile> file = cifar_file(member->base_name());
    if (!file || member->kind == TarMember::Kind::folder || member->kind == TarMember::Kind::other) continue;
    if (member->kind == TarMember::Kind::link)
      throw DataError(where + ": a link in place of data; this is not the published archive");
    if (first && (first->version != file->version || first->set != file->set))
      throw DataError(where + ": the archive mixes the binary and the python version");
    if (!first) first = file, collection.emplace(path.string(), *file->set, file->version, options);
    collection->add(*file, archive.read(), where);
  }
  if (!collection || collection->empty())
    throw DataError(path.string() + ": the archive holds no data_batch_* and no test_batch of CIFAR-10");
  return collection->finish();
}

}  // namespace tessera

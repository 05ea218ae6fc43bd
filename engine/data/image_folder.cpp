#include "engine/data/image_folder.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <optional>

#include "engine/core/error.h"
#include "engine/core/utf8.h"
#include "engine/data/normal_form.h"
#include "engine/files/io.h"
#include "engine/image/channels.h"
#include "engine/image/decode.h"

namespace tessera {
namespace fs = std::filesystem;
namespace {

constexpr std::int64_t most_images = 10'000'000;
constexpr std::size_t most_classes = 10'000;
constexpr std::size_t most_damaged_named = 10;
constexpr int deepest = 16;  // folders in folders; links may go round
constexpr std::int64_t images_per_report = 64;

constexpr const char *train_folders[] = {"train", "training"}, *test_folders[] = {"test", "testing"},
                     *validation_folders[] = {"val", "valid", "validation"};

// What a folder holds, in byte order of names, without hidden entries and what archivers and servers leave beside photos.
std::vector<fs::path> entries_of(const fs::path& folder) {
  std::vector<fs::path> paths = list_folder(folder, ExitCode::data);
  std::erase_if(paths, [](const fs::path& path) {
    const std::string name = path.filename().string();
    return name.starts_with('.') || name == "__MACOSX" || name == "@eaDir";
  });
  return paths;
}

// A name as eyes read it: in small letters, without blanks around it.
std::string as_read(const std::string& name) {
  std::string text = name.substr(std::min(name.find_first_not_of(' '), name.size()));
  text.erase(text.find_last_not_of(' ') + 1);
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

void gather(const fs::path& folder, int depth, const OpenOptions& options, ImageFiles& files) {
  if (depth > deepest) throw DataError(folder.string() + ": folders in folders, more than 16 deep; does a link go round?");
  for (const fs::path& path : entries_of(folder)) {
    poll(options);
    std::error_code ignored;
    const fs::file_status status = fs::status(path, ignored);
    if (fs::is_directory(status) && !has_image_name(path))
      gather(path, depth + 1, options, files);
    else if (fs::is_other(status))
      throw DataError(path.string() + ": is " +
                      (fs::is_fifo(status)     ? "a FIFO"
                       : fs::is_socket(status) ? "a socket"
                                               : "a device") +
                      ", no image; remove it from the data");
    else if (has_image_name(path))
      files.images.push_back(path);
    else
      ++files.others;
    if (static_cast<std::int64_t>(files.images.size()) > most_images)
      throw DataError(path.string() + ": more than 10000000 images");
  }
}

// The first of these folders that is there, in small letters or others; an empty path where there is none.
fs::path part_of(const fs::path& folder, std::span<const char* const> names) {
  std::error_code ignored;
  for (const char* name : names)
    if (fs::is_directory(folder / name, ignored)) return folder / name;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, ignored))
    if (std::find(names.begin(), names.end(), as_read(entry.path().filename().string())) != names.end() &&
        entry.is_directory(ignored))
      return entry.path();
  return {};
}

// Folders of classes by the normal form of their names; labels are their places in the order of the names themselves.
using Classes = std::map<std::string, std::int32_t>;
using ClassFolders = std::vector<std::pair<std::string, fs::path>>;

ClassFolders class_folders(const fs::path& folder, bool can_be_left_out = false) {
  ClassFolders folders;
  std::error_code ignored;
  for (const fs::path& path : entries_of(folder)) {
    if (!fs::is_directory(path, ignored)) continue;
    const std::string name = path.filename().string();
    if (!may_name_class(name))
      throw DataError(folder.string() + ": " + printable(name) + " is no name for a class" +
                      (is_utf8(name) ? "" : " (it is not UTF-8)") + ": rename the folder");
    folders.emplace_back(name, path);
  }
  if (folders.empty())
    throw DataError(folder.string() + ": has no folders; one for each class is expected: " + folder.filename().string() +
                    "/<class>/*.png or *.jpg" + (can_be_left_out ? "; without such images, remove the folder" : ""));
  if (folders.size() > most_classes)
    throw DataError(folder.string() + ": has " + std::to_string(folders.size()) + " classes; at most 10000 are read");
  return folders;
}

// "; it has 'Cat'": of the classes, the one that a name may have meant; else nothing.
std::string alike(const std::string& name, const Classes& classes) {
  for (const auto& [other, label] : classes)
    if (as_read(other) == as_read(name)) return "; it has " + printable(other);
  return "";
}

struct Labelled {
  fs::path path;
  std::int32_t label;
};

// The images of train/, test/ or val/, class by class.
std::vector<Labelled> files_of(const fs::path& folder, const Classes& classes, const OpenOptions& options,
                               std::vector<std::string>& warnings) {
  std::vector<Labelled> files;
  std::vector<bool> seen(classes.size());
  std::int64_t others = 0, beside = 0;
  std::error_code ignored;
  for (const fs::path& path : entries_of(folder)) beside += has_image_name(path) && !fs::is_directory(path, ignored);
  for (const auto& [name, place] : class_folders(folder, true)) {
    const auto found = classes.find(normal_form(name));
    if (found == classes.end()) throw DataError(place.string() + ": train has no class of this name" + alike(name, classes));
    const ImageFiles here = image_files(place, options);
    others += here.others;
    for (const fs::path& path : here.images) files.push_back({path, found->second});
    seen[static_cast<std::size_t>(found->second)] = !here.images.empty();
  }
  std::stable_sort(files.begin(), files.end(), [](const Labelled& a, const Labelled& b) { return a.label < b.label; });
  for (const auto& [name, label] : classes)
    if (!seen[static_cast<std::size_t>(label)]) warnings.push_back((folder / name).string() + ": no images of this class");
  if (others > 0)
    warnings.push_back(folder.string() + ": " + std::to_string(others) +
                       " files that are neither .png nor .jpg were left out");
  if (beside > 0)
    warnings.push_back(folder.string() + ": " + std::to_string(beside) + (beside == 1 ? " image lies" : " images lie") +
                       " beside the folders of classes and in none; left out");
  if (files.empty()) throw DataError(folder.string() + ": has no images; .png, .jpg and .jpeg are read");
  return files;
}

struct SeveralSizes {
  std::string example;
};

// Reads the images of all parts; they share one size.
class Reader {
 public:
  Reader(const OpenOptions& options, std::size_t images)
      : options_(options), loading_{.images = static_cast<std::int64_t>(images)} {
    if (options.image_size > 0) take_size(options.image_size, options.image_size);
  }

  ImageSet read(const std::vector<Labelled>& files) {
    ImageSet set;
    for (const Labelled& file : files) {
      try {
        const std::vector<std::uint8_t> pixels = with_channels(image_of(file.path).pixels, 3, options_.channels);
        set.height = height_, set.width = width_, set.channels = options_.channels;
        if (set.count == 0) set.pixels.reserve(files.size() * static_cast<std::size_t>(set.image_size()));
        set.pixels.insert(set.pixels.end(), pixels.begin(), pixels.end());
        set.labels.push_back(file.label);
        ++set.count;
      } catch (const DataError& error) {
        damaged_.push_back(error.what());
      }
      if (++loading_.done % images_per_report == 0 || loading_.done == loading_.images) report(options_, loading_);
      poll(options_);
    }
    return set;
  }

  // What is to be said of all that was read: an error, unless damaged images may be skipped.
  void finish(const fs::path& folder, std::vector<std::string>& warnings) const {
    if (!damaged_.empty()) {
      std::string text = folder.string() + ": " + std::to_string(damaged_.size()) + " of " +
                         std::to_string(loading_.images) + " images cannot be read: ";
      for (std::size_t i = 0; i < std::min(damaged_.size(), most_damaged_named); ++i)
        text += (i > 0 ? "; " : "") + damaged_[i];
      if (damaged_.size() > most_damaged_named) text += "; …";
      if (!options_.skip_damaged) throw DataError(text + "; mend or remove them, or leave them out with --skip-damaged");
      warnings.push_back(text + "; they are left out");
    }
    if (squashed_ > 0)
      warnings.push_back(folder.string() + ": " + std::to_string(squashed_) + " of " + std::to_string(loading_.images) +
                         " images change their aspect ratio, resized to " + size());
  }

  std::string size() const { return std::to_string(width_) + "x" + std::to_string(height_); }

 private:
  void take_size(std::int64_t height, std::int64_t width) {
    height_ = height, width_ = width;
    loading_.bytes =
        static_cast<std::uint64_t>(loading_.images) * static_cast<std::uint64_t>(height * width * options_.channels);
    report(options_, {.images = loading_.images, .bytes = loading_.bytes});
  }

  Image image_of(const fs::path& path) {
    if (options_.image_size > 0) {
      ResizedImage resized = read_resized(path, height_, width_, options_.stop);
      squashed_ += !resized.keeps_aspect();
      return std::move(resized.image);
    }
    Image image = read_image(path, options_.stop);
    if (height_ == 0) take_size(image.height, image.width);
    if (image.height != height_ || image.width != width_)
      throw SeveralSizes{path.string() + " has " + std::to_string(image.width) + "x" + std::to_string(image.height) +
                         " pixels, images before it " + size()};
    return image;
  }

  const OpenOptions& options_;
  Loading loading_;
  std::int64_t height_ = 0, width_ = 0, squashed_ = 0;
  std::vector<std::string> damaged_;
};

struct Parts {
  std::vector<Labelled> train, validation, test;
};

void load(const fs::path& folder, const Parts& parts, const OpenOptions& options, Dataset& data) {
  Reader reader(options, parts.train.size() + parts.validation.size() + parts.test.size());
  data.train = reader.read(parts.train);
  data.validation = reader.read(parts.validation);
  data.test = reader.read(parts.test);
  reader.finish(folder, data.warnings);
  data.train_parts = {{"train", 0, data.train.count}};
  data.description =
      "images in " + folder.string() + ": " + std::to_string(data.train.count) + " training images, " +
      (data.validation.count > 0 ? std::to_string(data.validation.count) + " validation images, " : std::string()) +
      std::to_string(data.test.count) + " test images of " + std::to_string(data.classes.size()) + " classes, as " +
      reader.size() + (options.channels == 1 ? ", made grey" : "");
}

}  // namespace

ImageFiles image_files(const fs::path& folder, const OpenOptions& options) {
  ImageFiles files;
  gather(folder, 0, options, files);
  return files;
}

bool is_image_folder(const fs::path& folder) {
  return !part_of(folder, train_folders).empty() || !part_of(folder, test_folders).empty();
}

Dataset open_image_folder(const fs::path& folder, const OpenOptions& options) {
  const fs::path train = part_of(folder, train_folders);
  fs::path test = part_of(folder, test_folders), validation = part_of(folder, validation_folders);
  Dataset data;
  if (test.empty() && !validation.empty()) {
    data.warnings.push_back(folder.string() + ": has no folder test; " + validation.filename().string() +
                            " is taken for it");
    std::swap(test, validation);
  }
  if (train.empty()) data.warnings.push_back(folder.string() + ": has no folder train: there is nothing to train with");
  if (test.empty()) data.warnings.push_back(folder.string() + ": has no folder test: there is nothing to test with");

  Classes classes;
  for (const auto& [name, place] : class_folders(train.empty() ? test : train)) {
    if (!classes.emplace(normal_form(name), static_cast<std::int32_t>(data.classes.size())).second)
      throw DataError(place.string() + ": another folder has this name in another normal form of Unicode; make them one");
    data.classes.push_back(name);
  }
  std::map<std::string, std::string> seen;
  for (const std::string& name : data.classes)
    if (const auto [other, fresh] = seen.emplace(as_read(name), name); !fresh)
      data.warnings.push_back(folder.string() + ": " + printable(other->second) + " and " + printable(name) +
                              " are two classes, whose names differ in capitals or blanks alone");
  Parts parts;
  if (!train.empty()) parts.train = files_of(train, classes, options, data.warnings);
  if (!validation.empty()) parts.validation = files_of(validation, classes, options, data.warnings);
  if (!test.empty()) parts.test = files_of(test, classes, options, data.warnings);

  try {
    load(folder, parts, options, data);
  } catch (const SeveralSizes& several) {
    if (options.default_size == 0) throw DataError(several.example + "; give one size for all: --image-size N");
    OpenOptions sized = options;
    sized.image_size = options.default_size;
    load(folder, parts, sized, data);
  }
  return data;
}

}  // namespace tessera

#include "engine/data/seen.h"

#include <algorithm>
#include <array>

#include "engine/data/cifar.h"
#include "engine/data/idx.h"
#include "engine/data/open.h"
#include "engine/files/io.h"
#include "engine/image/decode.h"

namespace tessera {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t most_found = 8;

void find_inside(const fs::path& folder, int depth, std::vector<fs::path>& found) {
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, ignored)) {
    if (found.size() == most_found) return;
    if (!entry.is_directory(ignored) || entry.path().filename().string().starts_with('.')) continue;
    if (format_of(entry.path()) != nullptr)
      found.push_back(entry.path());
    else if (depth > 1)
      find_inside(entry.path(), depth - 1, found);
  }
}

std::string seen_as_file(const fs::path& path) {
  const std::string name = path.filename().string(), folder = path.has_parent_path() ? path.parent_path().string() : ".";
  if (is_cifar_file_name(name) || is_idx_file_name(name)) return "it is one file of a data set: give the folder, " + folder;
  if (has_image_name(path)) return "it is one image: give the folder that holds train/<class>/ and test/<class>/";
  std::array<std::byte, 6> head{};
  File file(path, File::Mode::read, ExitCode::data);
  file.read_exactly(std::span(head).first(static_cast<std::size_t>(std::min<std::uint64_t>(head.size(), file.size()))));
  for (const std::string_view magic : {"PK\x03\x04", "\xfd\x37zXZ", "BZh", "7z\xbc\xaf", "Rar!"})
    if (text_of(head).starts_with(magic)) return "it is an archive that is not read in place: unpack it and give the folder";
  return "it is a file that no reader knows";
}

std::string seen_in_folder(const fs::path& folder) {
  std::error_code ignored;
  if (format_of(folder / "..") != nullptr) return "the folder above it is a data set: give that";
  std::string archive, of_class;
  bool images = false;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, ignored)) {
    const std::string name = entry.path().filename().string();
    for (const char* end : {".zip", ".tar.gz", ".tgz", ".tar", ".tar.xz"})
      if (name.ends_with(end)) archive = name;
    images = images || has_image_name(name);
    if (!of_class.empty() || !entry.is_directory(ignored)) continue;
    for (const fs::directory_entry& inside : fs::directory_iterator(entry.path(), ignored))
      if (has_image_name(inside.path())) of_class = name;
  }
  if (!of_class.empty())
    return "it has images in " + printable(of_class) +
           ", but no train/ and test/: move the folders of the classes into train/";
  if (images) return "it has images, but no folders of classes: sort them into train/<class>/ and test/<class>/";
  if (!archive.empty()) return "it holds " + printable(archive) + ": unpack that, or give it where it is a .tar.gz of CIFAR";
  return fs::is_empty(folder, ignored) ? "the folder is empty" : "";
}

}  // namespace

std::vector<fs::path> data_sets_inside(const fs::path& folder) {
  std::vector<fs::path> found;
  find_inside(folder, 2, found);
  std::sort(found.begin(), found.end());
  return found;
}

std::string seen_in_place_of_data(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored) ? seen_in_folder(path) : seen_as_file(path);
}

}  // namespace tessera

#include "kernels/vendor/shared_library.h"

#include <dlfcn.h>

#include <algorithm>
#include <cstdlib>

#include "kernels/errors.h"

namespace tessera::kernels::vendor {
namespace fs = std::filesystem;
namespace {

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

void* open(const std::string& file) { return dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL); }

std::string linker_error() {
  const char* text = dlerror();
  return text ? text : "no reason given";
}

// The packages' folders of every Python below `prefix`, the newest first.
void add_python_folders(const fs::path& prefix, const LibraryNames& names, std::vector<fs::path>& folders) {
  std::error_code ignored;
  std::vector<fs::path> pythons;
  for (const auto& entry : fs::directory_iterator(prefix / "lib", ignored))
    if (entry.path().filename().string().starts_with("python3")) pythons.push_back(entry.path());
  std::sort(pythons.rbegin(), pythons.rend());
  for (const fs::path& python : pythons)
    for (const char* packages : {"site-packages", "dist-packages"})
      for (const std::string& folder : names.python) folders.push_back(python / packages / folder);
}

}  // namespace

std::vector<fs::path> library_folders(const LibraryNames& names) {
  std::vector<fs::path> folders;
  for (const char* variable : {"VIRTUAL_ENV", "CONDA_PREFIX"})
    if (const std::string prefix = environment(variable); !prefix.empty()) {
      add_python_folders(prefix, names, folders);
      folders.push_back(fs::path(prefix) / "lib");
    }
  if (const std::string home = environment("HOME"); !home.empty())
    add_python_folders(fs::path(home) / ".local", names, folders);
  for (const char* prefix : {"/usr/local", "/usr"}) add_python_folders(prefix, names, folders);
  for (const std::string& toolkit : {environment("CUDA_HOME"), environment("CUDA_PATH"), std::string("/usr/local/cuda")})
    if (!toolkit.empty())
      for (const char* folder : {"lib64", "lib"}) folders.push_back(fs::path(toolkit) / folder);
  std::erase_if(folders, [](const fs::path& folder) {
    std::error_code ignored;
    return !fs::is_directory(folder, ignored);
  });
  return folders;
}

SharedLibrary::SharedLibrary(const LibraryNames& names) : title_(names.title) {
  if (const std::string named = environment(names.environment); !named.empty()) {
    file_ = named;
    handle_.reset(open(named));
    if (!handle_)
      throw DeviceError(std::string(title_) + ": " + names.environment + " names '" + named +
                        "', which cannot be opened: " + linker_error());
    return;
  }
  // An error other than "no such file" (a library that is there and broken) is the one worth telling.
  std::string reason;
  const auto try_open = [&](const std::string& file, bool there) {
    handle_.reset(open(file));
    if (handle_) file_ = file;
    if (!handle_ && (reason.empty() || there)) reason = linker_error();
    return handle_ != nullptr;
  };
  for (const std::string& file : names.files)
    if (try_open(file, false)) return;
  for (const std::string& file : names.files)
    for (const fs::path& folder : library_folders(names)) {
      std::error_code ignored;
      if (fs::exists(folder / file, ignored) && try_open((folder / file).string(), true)) return;
    }
  std::string wanted;
  for (const std::string& file : names.files) wanted += (wanted.empty() ? "" : " or ") + file;
  throw DeviceError(std::string(title_) + " is not here: " + wanted +
                    " is neither where the dynamic linker looks nor among pip's " + "packages (" + reason +
                    "); install it, or name the file in " + names.environment + ", or use --kernels own");
}

void* SharedLibrary::symbol(const char* name) const {
  void* address = dlsym(handle_.get(), name);
  if (!address)
    throw DeviceError(std::string(title_) + ": '" + file_ + "' has no function " + name +
                      ": it is another library or another version; name the right file or use --kernels own");
  return address;
}

void SharedLibrary::Close::operator()(void* handle) const { dlclose(handle); }

}  // namespace tessera::kernels::vendor

// A shared library opened at run time, so that programs start, and do their work, on machines that have none of it.
//
// Looked for in this order:
//   1. the file that an environment variable names, and nothing else where that is set;
//   2. each file name as the dynamic linker finds it (LD_LIBRARY_PATH, then the system's folders);
//   3. the folders where pip's nvidia packages and CUDA toolkits put it (library_folders).
// Symbols are resolved at once and kept out of the program's other look-ups (RTLD_NOW, RTLD_LOCAL): a library of another
// version in the same process, as PyTorch's, is left alone.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace tessera::kernels::vendor {

struct LibraryNames {
  const char* title;                // "cuDNN 9", for messages
  const char* environment;          // the variable that may name the file
  std::vector<std::string> files;   // with their version, the wanted one first: "libcudnn.so.9"
  std::vector<std::string> python;  // folders below site-packages: "nvidia/cudnn/lib"
};

class SharedLibrary {
 public:
  // Throws DeviceError: what was looked for, where, what the dynamic linker said and what to do.
  explicit SharedLibrary(const LibraryNames& names);

  // Throws DeviceError where the library has no such symbol: it is then not what its name says.
  void* symbol(const char* name) const;

  const std::string& file() const { return file_; }  // as it was opened

 private:
  struct Close {
    void operator()(void* handle) const;
  };
  const char* title_;
  std::string file_;
  std::unique_ptr<void, Close> handle_;
};

// Existing folders of step 3, in the order in which they are tried.
std::vector<std::filesystem::path> library_folders(const LibraryNames& names);

}  // namespace tessera::kernels::vendor

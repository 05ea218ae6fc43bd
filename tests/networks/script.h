// Running the Python scripts of this folder, where there is a python3 with PyTorch.
#pragma once

#include <filesystem>
#include <string>

namespace tessera::golden {

// A folder of this process's own, removed at the end.
struct TemporaryFolder {
  TemporaryFolder();
  ~TemporaryFolder();
  std::filesystem::path path;
};

std::string quoted(const std::filesystem::path& path);  // for a shell

// Runs `script` of this folder. False where there is no PyTorch: said loudly, naming `what` is not compared. Any other
// failure of the script fails the running test.
bool run_script(const std::string& script, const std::string& arguments, const std::string& what);

}  // namespace tessera::golden

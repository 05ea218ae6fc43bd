// Running the Python scripts of this folder, where there is a python3 with PyTorch.
#pragma once

#include <filesystem>
#include <string>

#include "tests/temporary_folder.h"

namespace tessera::golden {

using tests::TemporaryFolder;

std::string quoted(const std::filesystem::path& path);  // for a shell

// Runs `script` of this folder. False where there is no PyTorch: said loudly, naming `what` is not compared. Any other
// failure of the script fails the running test.
bool run_script(const std::string& script, const std::string& arguments, const std::string& what);

}  // namespace tessera::golden

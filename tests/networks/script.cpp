#include "tests/networks/script.h"

#include <unistd.h>

#include <sys/wait.h>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <stdexcept>

#include "tests/catch.h"

namespace tessera::golden {
namespace {

namespace fs = std::filesystem;

std::string contents(const fs::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

std::string quoted(const fs::path& path) {
  std::string text = "'";
  for (const char c : path.string()) text += c == '\'' ? "'\\''" : std::string(1, c);
  return text + "'";
}

bool run_script(const std::string& script, const std::string& arguments, const std::string& what) {
  const TemporaryFolder folder;
  const fs::path log = folder / (script + ".log");
  const std::string command =
      "/usr/bin/python3 -B " + quoted(fs::path(TESSERA_NETWORK_TESTS) / script) + " " + arguments + " 2> " + quoted(log);
  const int status = std::system(command.c_str());
  const int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  constexpr int no_pytorch = 77, no_python = 127;
  if (code == no_pytorch || code == no_python) {
    const std::string why = "SKIPPED: " + what + " is not compared with the independent reference: " + contents(log);
    std::cerr << why << "\n";
    WARN(why);
    return false;
  }
  INFO(command << "\n" << contents(log));
  REQUIRE(code == 0);
  return true;
}

}  // namespace tessera::golden

// Every network of the catalogue against independent numbers: the stored extract, which needs nothing but this build, and
// the whole of what oracle.py computes, where there is a python3 with PyTorch.
#include <unistd.h>

#include <sys/wait.h>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <optional>

#include "engine/files/safetensors.h"
#include "tests/networks/compare.h"

using namespace tessera;
using namespace tessera::golden;
namespace fs = std::filesystem;

namespace {

// A folder of this process's own, removed at the end.
struct TemporaryFolder {
  fs::path path = fs::temp_directory_path() / ("tessera-oracle-" + std::to_string(getpid()));
  TemporaryFolder() { fs::create_directories(path); }
  ~TemporaryFolder() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
};

std::string quoted(const fs::path& path) {
  std::string text = "'";
  for (const char c : path.string()) text += c == '\'' ? "'\\''" : std::string(1, c);
  return text + "'";
}

std::string contents(const fs::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

FileTensor to_tensor(const TensorEntry& entry) {
  FileTensor tensor{entry.shape, std::vector<double>(static_cast<std::size_t>(entry.count()))};
  std::memcpy(tensor.values.data(), entry.bytes.data(), entry.bytes.size());
  return tensor;
}

Measured read_oracle(const fs::path& path) {
  const Safetensors file = Safetensors::read(path);
  Measured expected;
  for (const TensorEntry& entry : file.tensors()) {
    REQUIRE(entry.dtype == DType::f64);
    const std::string gradient = "gradient/", statistic = "statistics/";
    if (entry.name.starts_with(gradient)) expected.gradients[entry.name.substr(gradient.size())] = to_tensor(entry);
    if (entry.name.starts_with(statistic)) expected.statistics[entry.name.substr(statistic.size())] = to_tensor(entry);
  }
  expected.logits = to_tensor(file.at("logits")).values;
  expected.loss = to_tensor(file.at("loss")).values.at(0);
  for (const double label : to_tensor(file.at("labels")).values) expected.labels.push_back(static_cast<std::int32_t>(label));
  return expected;
}

// Nothing where there is no PyTorch, which is said loudly.
std::optional<Measured> ask_oracle(const NetworkTest& test, const fs::path& folder) {
  const fs::path result = folder / (std::string(test.id) + ".safetensors"), log = folder / "log";
  const std::string command = "/usr/bin/python3 " + quoted(fs::path(TESSERA_NETWORK_TESTS) / "oracle.py") + " " + test.id +
                              " --batch " + std::to_string(test.batch) + " --write " + quoted(result) + " 2> " + quoted(log);
  const int status = std::system(command.c_str());
  const int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  constexpr int no_pytorch = 77, no_python = 127;
  if (code == no_pytorch || code == no_python) {
    const std::string why =
        std::string("SKIPPED: ") + test.id + " is not compared with the independent reference: " + contents(log);
    std::cerr << why << "\n";
    WARN(why);
    return std::nullopt;
  }
  INFO(command << "\n" << contents(log));
  REQUIRE(code == 0);
  Measured expected = read_oracle(result);
  fs::remove(result);
  return expected;
}

}  // namespace

TEST_CASE(
    "every network gives the stored logits, loss, gradients and running statistics, and those of an independent reference") {
  const TemporaryFolder folder;
  for (const NetworkEntry& entry : catalogue()) {
    const NetworkTest& test = test_of(entry);
    INFO("network " << entry.id);
    const std::vector<Setting> where = settings(test);
    CHECK(!where.empty());
    const std::optional<Measured> oracle = ask_oracle(test, folder.path);
    for (const Setting& setting : where) {
      INFO("on " << setting.name);
      const Measured measured = measure(entry, test.batch, Device::open(setting.request), setting.dtype);
      const Tolerance allowed = tolerance(test, setting.dtype);
      compare_with_stored(measured, entry.id, allowed);
      if (oracle) compare(measured, *oracle, allowed);
    }
  }
}

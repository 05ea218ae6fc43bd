// Every network of the catalogue against independent numbers: the stored extract, which needs nothing but this build, and
// the whole of what oracle.py computes, where there is a python3 with PyTorch.
#include <cstring>
#include <filesystem>
#include <optional>

#include "engine/files/safetensors.h"
#include "tests/catch.h"
#include "tests/networks/compare.h"
#include "tests/networks/script.h"

using namespace tessera;
using namespace tessera::golden;
namespace fs = std::filesystem;

namespace {

FileTensor to_tensor(const TensorEntry& entry) {
  FileTensor tensor{entry.shape, std::vector<double>(static_cast<std::size_t>(entry.count()))};
  std::memcpy(tensor.values.data(), entry.bytes.data(), entry.bytes.size());
  return tensor;
}

Measured read_oracle(const fs::path& path) {
  const Safetensors file = Safetensors::read(path);
  Measured expected;
  for (const TensorEntry& entry : file.tensors()) {
    REQUIRE(entry.dtype == ElementType::f64);
    const std::string gradient = "gradient/", unused = "unused/", statistic = "statistics/";
    if (entry.name.starts_with(gradient)) expected.gradients[entry.name.substr(gradient.size())] = to_tensor(entry);
    if (entry.name.starts_with(unused)) expected.gradients[entry.name.substr(unused.size())] = {entry.shape, {}};
    if (entry.name.starts_with(statistic)) expected.statistics[entry.name.substr(statistic.size())] = to_tensor(entry);
  }
  expected.logits = to_tensor(file.at("logits")).values;
  expected.loss = to_tensor(file.at("loss")).values.at(0);
  for (const double label : to_tensor(file.at("labels")).values) expected.labels.push_back(static_cast<std::int32_t>(label));
  return expected;
}

// Nothing where there is no PyTorch.
std::optional<Measured> ask_oracle(const NetworkTest& test, const fs::path& folder) {
  const fs::path result = folder / (std::string(test.id) + ".safetensors");
  const std::string arguments =
      std::string(test.id) + " --batch " + std::to_string(test.batch) + " --write " + quoted(result);
  if (!run_script("oracle.py", arguments, test.id)) return std::nullopt;
  Measured expected = read_oracle(result);
  fs::remove(result);
  return expected;
}

}  // namespace

TEST_CASE(
    "every network gives the stored logits, loss, gradients and running statistics, and those of an independent reference") {
  const TemporaryFolder folder;
  for (const NetworkTest& test : network_tests()) {
    INFO("network " << test.id);
    const std::vector<Setting> where = settings(test);
    CHECK(!where.empty());
    const std::optional<Measured> oracle = ask_oracle(test, folder.path());
    for (const Setting& setting : where) {
      INFO("on " << setting.name);
      const Measured measured = measure(test, Device::open(setting.request), setting.dtype);
      const Tolerance allowed = tolerance(test, setting.dtype);
      compare_with_stored(measured, test.id, allowed);
      if (oracle) compare(measured, *oracle, allowed);
    }
  }
}

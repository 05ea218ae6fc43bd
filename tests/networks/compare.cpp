#include "tests/networks/compare.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/catch.h"

namespace tessera::golden {
namespace {

double largest(const std::vector<double>& values) {
  double most = 0;
  for (const double v : values) most = std::max(most, std::abs(v));
  return most;
}

std::vector<double> difference(const std::vector<double>& a, const std::vector<double>& b) {
  std::vector<double> d(b.size());
  for (std::size_t i = 0; i < b.size(); ++i) d[i] = a.at(i) - b[i];
  return d;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values.empty() ? 0 : values[values.size() / 2];
}

// !(error <= limit), so that a NaN fails.
void require_within(const std::string& what, double error, double limit) {
  if (!(error <= limit)) FAIL_CHECK(what << ": off by " << error << ", allowed " << limit);
}

void compare_logits(const std::vector<double>& logits, const std::vector<double>& expected, const Tolerance& allowed) {
  REQUIRE(logits.size() >= expected.size());
  require_within("logits", largest(difference(logits, expected)), allowed.logits * largest(expected));
}

void compare_loss(double loss, double expected, const Tolerance& allowed) {
  require_within("loss", std::abs(loss - expected), allowed.loss * std::abs(expected));
}

// The same names, each in the same shape, with values where there should be any (a gradient may be none: nothing reads the
// parameter).
void require_same_tensors(const std::map<std::string, FileTensor>& measured,
                          const std::map<std::string, FileTensor>& expected) {
  for (const auto& [name, tensor] : measured) {
    if (!expected.contains(name)) FAIL_CHECK(name << " is not a tensor of this network");
    const bool wanted = expected.contains(name) && !expected.at(name).values.empty();
    if (wanted && tensor.values.empty()) FAIL_CHECK("no gradient has arrived at " << name);
    if (!wanted && !tensor.values.empty()) FAIL_CHECK("a gradient has arrived at " << name << ", which nothing reads");
  }
  for (const auto& [name, tensor] : expected) {
    const auto found = measured.find(name);
    if (found == measured.end()) {
      FAIL_CHECK(name << " is missing");
      continue;
    }
    INFO(name);
    CHECK(found->second.shape == tensor.shape);
  }
}

bool comparable(const std::map<std::string, FileTensor>& measured, const std::string& name,
                const std::vector<std::int64_t>& shape) {
  const auto found = measured.find(name);
  return found != measured.end() && found->second.shape == shape && !found->second.values.empty();
}

}  // namespace

double rms(const std::vector<double>& values) {
  double sum = 0;
  for (const double v : values) sum += v * v;
  return values.empty() ? 0 : std::sqrt(sum / static_cast<double>(values.size()));
}

Tolerance tolerance(const NetworkTest& test, DType dtype) {
  if (dtype == DType::f64)
    return {.logits = 1e-9, .loss = 1e-9, .gradient = 1e-9, .gradient_floor = 1e-9, .statistics = 1e-9};
  return {.logits = 2e-5, .loss = 2e-5, .gradient = test.gradient_tolerance, .gradient_floor = 0.02, .statistics = 1e-5};
}

void compare(const Measured& measured, const Measured& expected, const Tolerance& allowed) {
  CHECK(measured.labels == expected.labels);
  CHECK(measured.logits.size() == expected.logits.size());
  compare_logits(measured.logits, expected.logits, allowed);
  compare_loss(measured.loss, expected.loss, allowed);

  require_same_tensors(measured.gradients, expected.gradients);
  std::vector<double> all_rms;
  for (const auto& [name, tensor] : expected.gradients)
    if (!tensor.values.empty()) all_rms.push_back(rms(tensor.values));
  const double floor = allowed.gradient_floor * median(all_rms);
  for (const auto& [name, tensor] : expected.gradients)
    if (comparable(measured.gradients, name, tensor.shape))
      require_within("rms error of the gradient of " + name,
                     rms(difference(measured.gradients.at(name).values, tensor.values)),
                     allowed.gradient * rms(tensor.values) + floor);

  require_same_tensors(measured.statistics, expected.statistics);
  for (const auto& [name, tensor] : expected.statistics)
    if (comparable(measured.statistics, name, tensor.shape))
      require_within(name, largest(difference(measured.statistics.at(name).values, tensor.values)),
                     allowed.statistics * largest(tensor.values));
}

void compare_with_stored(const Measured& measured, const std::string& id, const Tolerance& allowed) {
  const std::string path = std::string(TESSERA_NETWORK_TESTS) + "/golden/" + id + ".json";
  std::ifstream file(path);
  INFO(path << ": made by oracle.py " << id << " --batch … --store " << path);
  REQUIRE(file.good());
  const nlohmann::json stored = nlohmann::json::parse(file);

  CHECK(measured.labels == stored["labels"].get<std::vector<std::int32_t>>());
  std::vector<double> logits;
  for (const auto& row : stored["logits"]) logits.insert(logits.end(), row.begin(), row.end());
  compare_logits(measured.logits, logits, allowed);
  compare_loss(measured.loss, stored["loss"], allowed);

  const auto tensors_of = [](const nlohmann::json& rows) {
    std::map<std::string, FileTensor> tensors;
    for (const auto& row : rows) {
      FileTensor& tensor = tensors[row["name"]] = {row["shape"].get<std::vector<std::int64_t>>(), {}};
      for (const auto& sample : row["samples"]) tensor.values.push_back(sample[1]);
    }
    return tensors;
  };
  require_same_tensors(measured.gradients, tensors_of(stored["gradients"]));
  require_same_tensors(measured.statistics, tensors_of(stored["statistics"]));

  std::vector<double> all_rms;
  for (const auto& row : stored["gradients"])
    if (!row["samples"].empty()) all_rms.push_back(row["rms"]);
  const double floor = allowed.gradient_floor * median(all_rms);
  for (const auto& row : stored["gradients"]) {
    const std::string name = row["name"];
    if (!comparable(measured.gradients, name, row["shape"])) continue;
    const std::vector<double>& gradient = measured.gradients.at(name).values;
    const double limit = allowed.gradient * row["rms"].get<double>() + floor;
    require_within("rms of the gradient of " + name, std::abs(rms(gradient) - row["rms"].get<double>()), limit);
    for (const auto& sample : row["samples"])  // one element may be off by more than the rms
      require_within("gradient of " + name + ", element " + sample[0].dump(),
                     std::abs(gradient.at(sample[0]) - sample[1].get<double>()), 5 * limit);
  }
  for (const auto& row : stored["statistics"]) {
    const std::string name = row["name"];
    if (!comparable(measured.statistics, name, row["shape"])) continue;
    const std::vector<double>& values = measured.statistics.at(name).values;
    for (const auto& sample : row["samples"])
      require_within(name + ", element " + sample[0].dump(), std::abs(values.at(sample[0]) - sample[1].get<double>()),
                     allowed.statistics * largest(values));
  }
}

std::vector<Setting> settings(const NetworkTest& test) {
  std::vector<Setting> list;
  const auto add = [&](const char* device, const char* how, kernels::Options options, DType dtype) {
    const kernels::Backend* backend = kernels::find_backend(device);
    std::string why;
    if (!backend || backend->runtime.device_count(&why) == 0) return;
    options.threads = 2;
    list.push_back({std::string(device) + how, {.device = device, .options = options}, dtype});
  };
  add("cpu", ", direct convolution", {.direct_convolution = true}, DType::f32);
  add("cpu", "", {}, DType::f32);
  add("cuda", ", direct convolution", {.direct_convolution = true}, DType::f32);
  add("cuda", "", {}, DType::f32);
  if (test.where >= Breadth::and_reference) add("reference", ", float64", {}, DType::f64);
  if (test.where == Breadth::and_emulated) {
    add("reference", ", float32", {}, DType::f32);
    add("emulated", "", {}, DType::f32);
  }
  return list;
}

}  // namespace tessera::golden

#include "apps/memory.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "apps/values.h"
#include "engine/report/text.h"
#include "engine/run/memory_estimate.h"
#include "engine/run/run.h"
#include "models/catalogue.h"

namespace tessera {
namespace {

using Json = nlohmann::ordered_json;

// "8 GiB", "8G", "500M", "123456789".
std::optional<std::size_t> bytes_of_text(const std::string& text) {
  const std::size_t digits = text.find_first_not_of("0123456789");
  if (digits == 0 || text.empty() || std::min(digits, text.size()) > 15) return {};
  std::string unit = digits == std::string::npos ? "" : text.substr(digits);
  std::erase(unit, ' ');
  std::size_t bytes = std::stoull(text);
  for (const char* const units[] = {"", "K", "M", "G", "T"}; const char* known : units) {
    const std::string letter = known;
    if (unit == letter || (!letter.empty() && (unit == letter + "B" || unit == letter + "iB"))) return bytes;
    if (bytes > (std::size_t{1} << 53)) return {};
    bytes *= 1024;
  }
  return {};
}

// What a program takes before it computes: its code, the libraries', their tables.
constexpr std::size_t process = std::size_t{11} << 20;

Json json_of(const MemoryEstimate& e, std::size_t total) {
  return {{"network", e.network}, {"optimizer", e.optimizer},   {"images", e.images},
          {"step", e.step},       {"workspace", e.workspace},   {"data", e.data},
          {"saving", e.saving},   {"evaluation", e.evaluation}, {"total", total}};
}

}  // namespace

void add_memory_options(CLI::App& app, MemoryOptions& options, ComputeOptions& compute) {
  const char* group = "Memory";
  app.add_flag(
         "--memory", options.wanted,
         "Say how much memory training and inference will take, without taking it (a CPU tries steps of at most 32 images)")
      ->group(group);
  const auto add = [&](const char* name, auto& value, const char* help, const char* shown) {
    using T = typename std::remove_reference_t<decltype(value)>::value_type;
    return app
        .add_option_function<T>(
            name, [&value](const T& given) { value = given; }, help)
        ->default_str(shown)
        ->group(group);
  };
  add("--batch-size", compute.batch_size, "Images per step", "the recipe's")
      ->check(number<std::int64_t>({.least = 1, .most = 1 << 24}));
  app.add_option("--images", options.images, "With so many training images; 0: one batch of them")
      ->check(number<std::int64_t>({.least = 0, .most = 1e9}))
      ->capture_default_str()
      ->group(group);
  app.add_option("--test-images", options.test_images, "With so many to evaluate on; 0: the training images")
      ->check(number<std::int64_t>({.least = 0, .most = 1e9}))
      ->capture_default_str()
      ->group(group);
  app.add_option("--memory-limit", options.limit, "Say which batch is the largest in so much memory: 8GiB")
      ->default_str("none")
      ->group(group);
  add("--device", compute.device, "auto, cpu, cuda, cuda:N or emulated", "cpu");
  add("--precision", compute.precision, "Arithmetic", "fp32")->check(one_of({"fp32", "tf32", "bf16"}));
}

void print_memory(const RunConfig& config, const MemoryOptions& options, const Console& console) {
  const std::shared_ptr<Device> device = open_device(config);
  const NetworkEntry& entry = require_network(config.network);
  MemoryQuestion question{.make = [&] { return entry.make(config.network_options); },
                          .recipe = config.recipe,
                          .images = options.images,
                          .test_images = options.test_images,
                          .backend = &device->backend(),
                          .options = device->options()};
  std::size_t limit = 0;
  if (!options.limit.empty()) {
    const std::optional<std::size_t> given = bytes_of_text(options.limit);
    if (!given) throw UsageError("--memory-limit " + options.limit + ": expected a number of bytes, as in 8GiB or 500M");
    limit = *given;
  }
  // On a CPU all is in the process's own memory, so that what comes out is its peak.
  const bool known = device->backend().runtime.host_memory;
  const std::size_t base = known ? process : 0;
  const MemoryEstimate training = estimate_memory(question);
  question.training = false;
  const MemoryEstimate inference = estimate_memory(question);
  question.training = true;
  const std::int64_t largest = limit > base ? largest_batch(question, limit - base) : 0;

  const auto row = [](const std::string& what, std::size_t a, std::size_t b) {
    return std::vector<std::string>{what, format_bytes(a), format_bytes(b)};
  };
  std::vector<std::vector<std::string>> rows{
      {"memory, " + device->name() + ", " + to_word(config.recipe.precision) + ", batch " +
           with_thousands(config.recipe.batch_size),
       "training", "inference"},
      {},
      row("network: parameters, gradients, statistics", training.network, inference.network),
      row("optimiser", training.optimizer, inference.optimizer),
      row("images", training.images, inference.images),
      row("activations and all else of a step", training.step, inference.step)};
  if (known) {
    rows.push_back(row("workspace of kernels", training.workspace, inference.workspace));
    rows.push_back(row("what an evaluation prepares", training.evaluation, inference.evaluation));
    rows.push_back(row("or a checkpoint, while it is written", training.saving, inference.saving));
    rows.push_back(row("the program's copy of the images; the file of weights", training.data, inference.data));
    rows.push_back(row("the program itself", base, base));
  }
  rows.push_back({});
  std::string text = format_table(rows, "lrr") + "Training: " + format_bytes(base + training.total()) +
                     ", inference: " + format_bytes(base + inference.total()) +
                     (known ? "" : ", without the workspace of kernels");
  if (limit > 0)
    text +=
        "\nLargest batch for training in " + format_bytes(limit) + ": " + (largest > 0 ? with_thousands(largest) : "none");
  console.result(text);
  console.object(Json{
      {"batch_size", config.recipe.batch_size},
      {"device", device->name()},
      {"training", json_of(training, base + training.total())},
      {"inference", json_of(inference, base + inference.total())},
      {"limit", limit},
      {"largest_batch",
       largest}}.dump());
}

}  // namespace tessera

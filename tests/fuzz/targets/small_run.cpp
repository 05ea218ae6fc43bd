#include "tests/fuzz/targets/small_run.h"

#include "models/catalogue.h"

namespace tessera::fuzz {

const std::shared_ptr<Device>& device() {
  static const std::shared_ptr<Device> one = Device::open({.device = "cpu", .options = {.threads = 1}});
  return one;
}

Dataset small_dataset(const Shape& image) {
  Dataset data;
  const auto fill = [&image](ImageSet& set, std::int64_t count) {
    set = {.count = count, .height = image[0], .width = image[1], .channels = image[2]};
    for (std::int64_t i = 0; i < count; ++i) set.labels.push_back(static_cast<std::int32_t>(i % 2));
    for (std::int64_t i = 0; i < count * set.image_size(); ++i) set.pixels.push_back(static_cast<std::uint8_t>(i * 37 / 5));
  };
  fill(data.train, 6);
  fill(data.test, 2);
  data.classes = {"horse", "ship"};
  data.train_parts = {{"all", 0, data.train.count}};
  return data;
}

RunConfig small_config() {
  const NetworkEntry& entry = require_network("lenet5_relu");
  RunConfig config;
  config.network = entry.id, config.recipe = entry.recipe, config.data = "synthetic";
  config.network_options.outputs = 2;
  config.recipe.batch_size = 3, config.recipe.epochs = 2, config.max_steps = 3;
  config.recipe.classes = {};
  config.recipe.validation = Validation::test_set;
  return config;
}

void small_run(const std::filesystem::path& folder, const RunConfig& config, const std::optional<RunConfig>& resumed) {
  const std::unique_ptr<Network> network = require_network(config.network).make(config.network_options);
  constexpr std::int64_t largest_side = 64;  // of larger images, only the memory that they take is of interest
  if (network->input()[0] > largest_side) throw DataError("the images are too large for a fuzzer");
  run_training({.config = config, .folder = folder, .resumed = resumed, .new_data = true}, *network,
               small_dataset(network->input()), device(), Console(Verbosity::quiet));
}

}  // namespace tessera::fuzz

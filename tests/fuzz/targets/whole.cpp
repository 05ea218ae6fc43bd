// Readers that need files, and the whole way from a file to work that is done with it.
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

#include "engine/data/open.h"
#include "engine/run/checkpointing.h"
#include "engine/run/weights.h"
#include "engine/train/evaluate.h"
#include "models/saved_network.h"
#include "tests/fuzz/targets/readers.h"
#include "tests/fuzz/targets/small_run.h"
#include "tests/temporary_folder.h"

namespace tessera::fuzz {
namespace {

void write(const std::filesystem::path& path, std::string_view text) {
  std::ofstream(path, std::ios::binary).write(text.data(), static_cast<std::streamsize>(text.size()));
}

const tests::TemporaryFolder& scratch() {
  static const tests::TemporaryFolder folder;
  return folder;
}

// The checkpoint of a run, to be given another state.
const Checkpoint& small_checkpoint() {
  static const Checkpoint checkpoint = [] {
    const tests::TemporaryFolder folder;
    small_run(folder / "run", small_config());
    std::vector<std::string> notes;
    return CheckpointStore(folder / "run").load_newest(notes).value();
  }();
  return checkpoint;
}

// The step that a state names, so that the checkpoint around it can be of the same; else 0.
std::int64_t step_in(std::string_view state) {
  const auto json = nlohmann::json::parse(state, nullptr, false);
  if (!json.is_object() || !json.contains("step") || !json["step"].is_number_integer()) return 0;
  const auto step = json["step"].get<std::int64_t>();
  return step >= 0 && step <= 1'000'000'000'000'000 ? step : 0;
}

}  // namespace

void archive(ByteSpan input) {
  const std::filesystem::path file = scratch() / "data.tar.gz";
  write(file, text_of(input));
  open_dataset(file, {});
}

void idx(ByteSpan input) {
  constexpr std::string_view mark = "|labels|";
  const std::string_view text = text_of(input), images = text.substr(0, text.find(mark));
  const std::string_view labels = text.substr(std::min(text.size(), images.size() + mark.size()));
  write(scratch() / "t10k-images-idx3-ubyte", images);
  write(scratch() / "t10k-labels-idx1-ubyte", labels);
  open_dataset(scratch().path(), {.default_size = 32});
}

void network(ByteSpan input) {
  const Safetensors file = Safetensors::parse({input.begin(), input.end()}, "fuzz");
  const RunConfig config = config_of(file, "");
  class_names_of(file);
  const SavedNetwork saved = load_network(file, config, device(), Int8Weights::accepted);
  constexpr std::int64_t largest_side = 64;  // larger ones are right, and slow
  const Shape image = saved.network->input();
  if (image[0] > largest_side) return;
  const Dataset data = small_dataset(image);
  Inference infer(*saved.network, saved.quantization);
  predict(infer, ImageBatches(DeviceImages::upload(data.test, device()),
                              gather_params(config.recipe.normalization, Augmentation::none, 0)));
}

void resume(ByteSpan input) {
  const std::string_view text = text_of(input), config_text = text.substr(0, text.find('\0'));
  const std::string_view state = text.substr(std::min(text.size(), config_text.size() + 1));
  RunConfig config = parse_run_config(std::string(config_text), "fuzz");

  const std::filesystem::path folder = scratch() / "run";
  std::filesystem::remove_all(folder);
  Checkpoint checkpoint = small_checkpoint();
  checkpoint.step = step_in(state);
  checkpoint.files["state.json"] = Bytes(bytes_of(state).begin(), bytes_of(state).end());
  CheckpointStore(folder).write(checkpoint);
  const RunConfig written = config;
  config.max_steps = std::min(config.max_steps.value_or(INT64_MAX), checkpoint.step + 1);
  config.data = "synthetic";
  small_run(folder, config, written);
}

}  // namespace tessera::fuzz

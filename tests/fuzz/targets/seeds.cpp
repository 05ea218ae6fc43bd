// seeds FOLDER: writes one or two small, right inputs for each fuzzed reader into FOLDER/<reader>/.
#include <filesystem>

#include "engine/files/csv.h"
#include "engine/files/manifest.h"
#include "engine/report/png.h"
#include "engine/run/config.h"
#include "engine/run/weights.h"
#include "models/catalogue.h"

using namespace tessera;
namespace fs = std::filesystem;

int main(int argc, char** argv) {
  const fs::path folder = argc > 1 ? argv[1] : "seeds";
  const auto put = [&](const char* reader, const char* name, ByteSpan bytes) {
    make_folder(folder / reader, ExitCode::failure, system_calls);
    write_file_atomically(folder / reader / name, bytes, ExitCode::failure);
  };
  const NetworkEntry& entry = require_network("lenet5_relu");
  const auto network = entry.make({.outputs = 2});
  const ParameterStore parameters(*network, Device::open({.device = "reference", .options = {.threads = 1}}), 1);
  const Metadata metadata = {{"network", "lenet5_relu"},   {"outputs", "2"},         {"residual", "true"}, {"labels", "7,8"},
                             {"normalization", "cifar10"}, {"classes", "horse,ship"}};
  const HostTensors host = host_weights(parameters);
  put("network", "lenet5_relu", encode_safetensors(host.entries(), metadata));
  const std::vector<float> values = {1, 2, 3};
  const TensorEntry small[] = {{"a", ElementType::f32, {3}, std::as_bytes(std::span(values))},
                               {"b", ElementType::f16, {2}, std::as_bytes(std::span(values)).first(4)},
                               {"c", ElementType::i64, {}, std::as_bytes(std::span(values)).first(8)}};
  put("safetensors", "small", encode_safetensors(small, metadata));

  RunConfig config;
  config.network = entry.id, config.recipe = entry.recipe, config.data = "synthetic";
  put("config", "lenet5_relu", bytes_of(to_json(config)));
  Manifest manifest{.step = 12, .config = to_json(config), .files = {{"state.json", {3, std::string(64, 'a')}}}};
  put("manifest", "small", bytes_of(to_json(manifest)));
  put("csv", "small", bytes_of(to_csv({{"epoch", "a,b"}, {{"1", "\"x\"\r"}, {"2", "1e-3"}}})));
  put("text", "small", bytes_of("a\x1b[2J \xe2\x80\xae ünï <b>\n"));

  std::vector<std::uint8_t> pixels(8 * 8 * 3);
  for (std::size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<std::uint8_t>(i * 7);
  put("image", "png", encode_png(8, 8, pixels));
  Bytes records(2 * 3073, std::byte{5});
  put("cifar_binary", "two", records);
  // Protocol 2: {'label_names': ['a', …, 'j']}
  std::string names = "\x80\x02}U\x0blabel_names](";
  for (char c = 'a'; c <= 'j'; ++c) names += std::string("U\x01") + c;
  put("names", "ten", bytes_of(names + "es."));
  put("cifar_python", "names", bytes_of(names + "es."));
  return 0;
}

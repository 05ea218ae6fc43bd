// seeds FOLDER: writes one or two small, right inputs for each fuzzed reader into FOLDER/<reader>/.
#include <filesystem>

#include "engine/files/checkpoint.h"
#include "engine/files/csv.h"
#include "engine/files/manifest.h"
#include "engine/report/png.h"
#include "engine/run/config.h"
#include "engine/run/int8_file.h"
#include "engine/run/weights.h"
#include "models/catalogue.h"
#include "tests/fuzz/targets/mutations.h"
#include "tests/fuzz/targets/small_run.h"
#include "tests/temporary_folder.h"

using namespace tessera;
namespace fs = std::filesystem;

int main(int argc, char** argv) {
  const fs::path folder = argc > 1 ? argv[1] : "seeds";
  const auto put = [&](const char* reader, const char* name, ByteSpan bytes) {
    make_folder(folder / reader, ExitCode::failure, system_calls);
    write_file_atomically(folder / reader / name, bytes, ExitCode::failure);
  };
  const auto put_network = [&](const char* id, const NetworkOptions& options, Metadata metadata) {
    const auto network = require_network(id).make(options);
    const ParameterStore parameters(*network, fuzz::device(), 1);
    metadata.merge(Metadata{{"network", id}, {"residual", "true"}, {"normalization", "cifar10"}});
    const HostTensors host = host_weights(parameters);
    put("network", id, encode_safetensors(host.entries(), metadata));
  };
  const auto put_int8 = [&](const char* id, Metadata metadata) {
    const auto network = require_network(id).make({});
    const ParameterStore parameters(*network, fuzz::device(), 1);
    Quantization quantization;
    for (const Parameter* p : parameters.parameters())
      if (p->shape().rank > 1)
        quantization[p->path()] = {std::vector<float>(static_cast<std::size_t>(p->shape()[0]), 0.01f), 0.02f, 40};
    metadata["network"] = id;
    put("network", "int8", encode_int8(parameters, quantization, metadata));
  };
  put_int8("lenet5_relu", {});
  const Metadata metadata = {{"outputs", "2"}, {"labels", "7,8"}, {"classes", "horse,ship"}};
  put_network("lenet5_relu", {.outputs = 2}, metadata);
  put_network("inception10", {.outputs = 3, .image_size = 24}, {{"outputs", "3"}, {"image_size", "24"}});
  const std::vector<float> values = {1, 2, 3};
  const TensorEntry small[] = {{"a", ElementType::f32, {3}, std::as_bytes(std::span(values))},
                               {"b", ElementType::f16, {2}, std::as_bytes(std::span(values)).first(4)},
                               {"c", ElementType::i64, {}, std::as_bytes(std::span(values)).first(8)}};
  put("safetensors", "small", encode_safetensors(small, metadata));

  for (const auto& [reader, name] : {std::pair{"torch_state", "state.pth"},
                                     {"torch_state", "checkpoint.pt"},
                                     {"paddle_state", "protocol2.pdparams"},
                                     {"paddle_state", "protocol4.pdparams"},
                                     {"npz", "stored.npz"},
                                     {"npz", "deflated.npz"},
                                     {"keras_weights", "two.h5"},
                                     {"keras_weights", "three.h5"},
                                     {"keras_weights", "three.weights.h5"}})
    put(reader, name, read_file(fs::path("tests/files/samples") / name, largest_file, ExitCode::failure));

  for (const char* id : {"lenet5_relu", "resnet18", "airbench94"})
    if (const NetworkEntry* entry = find_network(id)) {
      RunConfig config;
      config.network = id, config.recipe = entry->recipe, config.data = "synthetic";
      put("config", id, bytes_of(to_json(config)));
    }
  RunConfig transfer = fuzz::small_config();
  transfer.weights = "w", transfer.new_head = true, transfer.phases = {{.frozen = true, .validate = false}, {}};
  put("config", "transfer", bytes_of(to_json(transfer)));

  const tests::TemporaryFolder run;
  fuzz::small_run(run / "run", fuzz::small_config());
  std::vector<std::string> notes;
  const Checkpoint checkpoint = CheckpointStore(run / "run").load_newest(notes).value();
  const std::string two = to_json(fuzz::small_config()) + '\0' + std::string(text_of(checkpoint.files.at("state.json")));
  put("resume", "lenet5_relu", bytes_of(two));
  Manifest manifest{.step = 12, .config = checkpoint.config, .files = {{"state.json", {3, std::string(64, 'a')}}}};
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

  const auto tar_of = [](std::initializer_list<std::pair<std::string, std::string>> members) {
    std::string archive;
    for (const auto& [name, bytes] : members) {
      std::string header(512, '\0');
      name.copy(header.data(), 99);
      std::snprintf(header.data() + 124, 12, "%011zo", bytes.size());
      header.replace(148, 8, "        ");
      header[156] = '0';
      unsigned sum = 0;
      for (const char c : header) sum += static_cast<unsigned char>(c);
      std::snprintf(header.data() + 148, 8, "%06o", sum);
      archive += header + bytes + std::string((512 - bytes.size() % 512) % 512, '\0');
    }
    return fuzz::gzip(archive + std::string(1024, '\0'));
  };
  const std::string record = std::string(1, '\5') + std::string(3072, 'x');
  const std::string archive = tar_of({{"cifar-10-batches-bin/data_batch_1.bin", record + record},
                                      {"cifar-10-batches-bin/batches.meta.txt", "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n"},
                                      {"cifar-10-batches-bin/test_batch.bin", record}});
  put("archive", "cifar-10", bytes_of(archive));
  put("tar", "cifar-10", bytes_of(archive));
  put("gzip_stream", "text", bytes_of(fuzz::gzip(std::string(5000, 'a'))));
  const std::string idx_images = std::string("\0\0\x08\x03\0\0\0\x02\0\0\0\x03\0\0\0\x04", 16) + std::string(24, 'z');
  const std::string idx_labels = std::string("\0\0\x08\x01\0\0\0\x02\x01\x09", 10);
  put("idx", "plain", bytes_of(idx_images + "|labels|" + idx_labels));
  put("idx", "gzip", bytes_of(fuzz::gzip(idx_images) + "|labels|" + fuzz::gzip(idx_labels)));
  return 0;
}

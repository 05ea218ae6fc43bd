#include "tests/faults/subjects.h"

#include <cstdlib>
#include <fstream>
#include <random>
#include <set>
#include <stdexcept>

#include "engine/report/png.h"

namespace tessera::tests {
namespace fs = std::filesystem;

bool try_all() { return std::getenv("TESSERA_FAULTS_ALL") != nullptr; }

std::string bytes_of_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

void make_records(const fs::path& path, int count) {
  fs::create_directories(path.parent_path());
  std::mt19937 random(7);
  std::ofstream file(path, std::ios::binary);
  for (int i = 0; i < count; ++i) {
    file.put(static_cast<char>(i % 10));
    for (int j = 0; j < 3072; ++j) file.put(static_cast<char>(random() & 0xff));
  }
}

void make_inputs(const fs::path& folder) {
  make_records(folder / "data/data_batch_1.bin", 24);
  make_records(folder / "data/test_batch.bin", 12);
  std::mt19937 random(7);
  std::vector<std::uint8_t> pixels(std::size_t{40} * 50 * 3);
  for (std::uint8_t& p : pixels) p = static_cast<std::uint8_t>(random());
  const Bytes photo = encode_png(40, 50, pixels);
  std::ofstream(folder / "photo.png", std::ios::binary)
      .write(reinterpret_cast<const char*>(photo.data()), static_cast<std::streamsize>(photo.size()));
  const Subject training{"train_lenet5_relu",
                         {(folder / "data").string(), "--steps", "3", "--seed", "4", "--out", "{out}/weights"}};
  const Subject conversion{"convert", {(folder / "weights/last.safetensors").string(), "{out}/weights.pth"}};
  for (const Subject& subject : {training, conversion})
    if (const FaultyRun run = run_faulty(subject, no_fault, folder); run.code != 0) throw std::runtime_error(run.err);
}

std::vector<Subject> subjects(const fs::path& folder) {
  const std::string data = folder / "data", weights = folder / "weights/last.safetensors", photo = folder / "photo.png";
  return {
      {"train_lenet5_relu",
       {data, "--epochs", "2", "--batch-size", "8", "--threads", "2", "--out", "{out}/run"},
       "run/last.safetensors"},
      {"evaluate", {weights, data, "--threads", "2", "--logits", "{out}/z.npy"}, "z.npy"},
      {"predict", {weights, photo, "--threads", "2"}},
      {"finetune",
       {weights, data, "--classes", "horse,ship", "--epochs", "1", "--epochs-frozen", "1", "--threads", "2", "--out",
        "{out}/run"},
       "run/last.safetensors"},
      {"export", {weights, "--txt", "{out}/weights.txt"}, "weights.txt"},
      {"convert", {weights, "{out}/weights.npz"}, "weights.npz"},
      {"convert", {folder / "weights.pth", "{out}/weights.safetensors", "--network", "lenet5_relu"}, "weights.safetensors"}};
}

std::vector<std::uint64_t> sample(std::uint64_t end, std::uint64_t count) {
  std::set<std::uint64_t> chosen;
  if (try_all() || end <= count)
    for (std::uint64_t k = 0; k < end; ++k) chosen.insert(k);
  else
    for (std::uint64_t i = 0; i < count; ++i) chosen.insert(end * i * (i + count) / (2 * count * count));
  return {chosen.begin(), chosen.end()};
}

}  // namespace tessera::tests

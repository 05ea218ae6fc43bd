// What real data does to the programs: other class positions, sorted folders, photos of all kinds, damaged and missing
// files.
#include <sys/stat.h>

#include <sstream>

#include "engine/files/safetensors.h"
#include "engine/image/decode.h"
#include "engine/report/png.h"
#include "tests/catch.h"
#include "tests/programs/run.h"

using namespace tessera::tests;
using Catch::Contains;
using Catch::StartsWith;
namespace fs = std::filesystem;

namespace {

void write_png(const fs::path& path, std::int64_t width, std::int64_t height, int red, int blue) {
  std::vector<std::uint8_t> rgb;
  for (std::int64_t i = 0; i < width * height; ++i)
    for (const int value : {red, static_cast<int>(i % 7), blue}) rgb.push_back(static_cast<std::uint8_t>(value));
  fs::create_directories(path.parent_path());
  write_text(path, std::string(tessera::text_of(tessera::encode_png(width, height, rgb))));
}

bool reads_png(const Folder& folder) {
  write_png(folder / "probe.png", 1, 1, 0, 0);
  try {
    tessera::read_image(folder / "probe.png");
  } catch (const tessera::Error&) {
    WARN("skipped: this build reads no PNG");
    return false;
  }
  return true;
}

// Classes that one look tells apart, by the names given: red ones and blue ones.
std::string make_photos(const fs::path& folder, const std::string& red, const std::string& blue, int train, int test) {
  for (const auto& [part, count] : {std::pair{"train", train}, {"test", test}})
    for (int i = 0; i < count; ++i) {
      write_png(folder / part / red / (std::to_string(i) + ".png"), 32, 32, 200 + i, 10);
      write_png(folder / part / blue / (std::to_string(i) + ".png"), 32, 32, 10, 200 + i);
    }
  return folder.string();
}

std::string trained(const Folder& folder, const std::string& data) {
  const std::string out = (folder / "run").string();
  const Outcome training = run(
      "train_lenet5_relu", {data, "--outputs", "2", "--epochs", "12", "--batch-size", "4", "--lr", "0.003", "--out", out});
  INFO(training.err);
  REQUIRE(training.code == 0);
  REQUIRE_THAT(training.last_line(), StartsWith("test: accuracy 1.0000"));
  return out + "/last.safetensors";
}

}  // namespace

TEST_CASE("labels meet by name, wherever the data has its classes") {
  Folder folder;
  if (!reads_png(folder)) return;
  const std::string weights = trained(folder, make_photos(folder / "photos", "fire", "water", 12, 6));
  // The same pictures, but "water" is now the first class, and there is one that the weights do not know.
  fs::copy(folder / "photos", folder / "other", fs::copy_options::recursive);
  for (const std::string part : {"train", "test"}) {
    fs::rename(folder / "other" / part / "fire", folder / "other" / part / "x");
    fs::rename(folder / "other" / part / "x", folder / "other" / part / "fire");
    write_png(folder / "other" / part / "air" / "0.png", 32, 32, 100, 100);
  }
  const std::string other = (folder / "other").string();
  const Outcome met = run("evaluate", {weights, other});
  INFO(met.err);
  REQUIRE(met.code == 0);
  CHECK_THAT(met.last_line(), StartsWith("test: accuracy 1.0000"));
  CHECK_THAT(met.err,
             Contains("met by name, 2 of the weights' 2") && Contains("the weights do not know air: 2 images are left out"));

  // Training from weights goes on with the classes that they know.
  const std::string more = (folder / "more").string();
  const Outcome on = run("train_lenet5_relu",
                         {other, "--weights", weights, "--outputs", "2", "--epochs", "1", "--lr", "1e-9", "--out", more});
  INFO(on.err);
  REQUIRE(on.code == 0);
  CHECK_THAT(on.err, Contains("met by name, 2 of the weights' 2"));
  CHECK_THAT(on.last_line(), StartsWith("test: accuracy 1.0000"));
  const Outcome resumed = run("train_lenet5_relu", {other, "--resume", folder / "run", "--epochs", "13", "--lr", "1e-9"});
  INFO(resumed.err);
  REQUIRE(resumed.code == 0);
  CHECK_THAT(resumed.err, Contains("met by name, 2 of the weights' 2"));
  CHECK_THAT(resumed.last_line(), StartsWith("test: accuracy 1.0000"));

  // A class without images has no accuracy.
  fs::remove_all(folder / "other/test/fire");
  const Outcome half = run("evaluate", {weights, other});
  CHECK_THAT(half.out.substr(0, half.out.find("test: ")), Contains("–") && !Contains("0.0000"));
  CHECK_THAT(run("evaluate", {weights, other, "--json"}).out, Contains("\"fire\":null"));

  // Test data alone is enough.
  fs::remove_all(folder / "other/train");
  CHECK_THAT(run("evaluate", {weights, other}).last_line(), StartsWith("test: accuracy 1.0000"));

  const Outcome none = run("evaluate", {weights, make_photos(folder / "strange", "cat", "dog", 1, 1)});
  CHECK(none.code == 3);
  CHECK_THAT(none.err, Contains("the data has cat, dog; the weights know fire, water"));
}

TEST_CASE("training on a sorted folder holds all classes in every cut, and says how it cut") {
  Folder folder;
  if (!reads_png(folder)) return;
  const std::string data = make_photos(folder / "photos", "fire", "water", 20, 6);
  const Outcome tenth =
      run("train_resnet18_maxpool", {data, "--steps", "1", "--batch-size", "4", "--out", (folder / "a").string()});
  INFO(tenth.err);
  CHECK(tenth.code == 0);
  CHECK_THAT(tenth.err, Contains("validation: 10 % of the training images, stratified by class") &&
                            Contains("36 training images") && Contains("4 validation"));
  const Outcome limited =
      run("train_lenet5_relu", {data, "--outputs", "2", "--limit-train", "8", "--limit-test", "4", "--epochs", "12",
                                "--batch-size", "4", "--lr", "0.003", "--out", (folder / "b").string()});
  CHECK_THAT(limited.err, Contains("training: 8 of 40 images, stratified by class"));
  CHECK_THAT(limited.last_line(), StartsWith("test: accuracy 1.0000"));
}

TEST_CASE("the good photos among bad ones are answered, and folders are read") {
  Folder folder;
  if (!reads_png(folder)) return;
  const std::string weights = trained(folder, make_photos(folder / "photos", "fire", "water", 12, 6));
  const std::string place = (folder / "album").string();
  write_png(folder / "album/deeper/red.png", 300, 20, 220, 10);
  write_png(folder / "album/blue.png", 32, 32, 10, 220);
  write_text(folder / "album/notes.txt", "x");
  const Outcome album = run("predict", {weights, place});
  INFO(album.err);
  CHECK(album.code == 0);
  CHECK_THAT(album.out, Contains("blue.png: water") && Contains("deeper/red.png: fire"));
  CHECK_THAT(album.err, Contains("1 files that are neither") && Contains("changes their aspect ratio"));

  write_text(folder / "album/bad.png", "<html>404</html>");
  REQUIRE(::mkfifo((folder / "pipe.png").c_str(), 0600) == 0);
  const Outcome some = run("predict", {weights, place, (folder / "pipe.png").string(), (folder / "none.png").string()});
  CHECK(some.code == 3);
  CHECK_THAT(some.out, Contains("blue.png: water") && Contains("deeper/red.png: fire"));
  CHECK_THAT(some.err, Contains("bad.png: neither a PNG nor a JPEG") && Contains("pipe.png") && Contains("none.png") &&
                           Contains("3 of 5 could not be read"));
  CHECK_THAT(run("predict", {weights, place, "--json"}).out, Contains("\"error\":\""));
  fs::create_directory(folder / "empty");
  CHECK(run("predict", {weights, (folder / "empty").string()}).code == 3);
}

TEST_CASE("damaged images of a folder are named together, or skipped") {
  Folder folder;
  if (!reads_png(folder)) return;
  const std::string data = make_photos(folder / "photos", "fire", "water", 5, 2), out = (folder / "run").string();
  write_text(folder / "photos/train/fire/a.png", "x");
  write_text(folder / "photos/test/water/b.png", "");
  const Outcome refused = run("train_lenet5_relu", {data, "--steps", "1", "--out", out});
  CHECK(refused.code == 3);
  CHECK_THAT(refused.err, Contains("2 of 16 images cannot be read") && Contains("a.png") && Contains("b.png") &&
                              Contains("--skip-damaged"));
  CHECK_THAT(run("show", {data, "--skip-damaged", "--out", (folder / "x.png").string()}).out,
             Contains("images (10, 32, 32, 3)"));
}

TEST_CASE("a class folder that is not UTF-8 is refused before training") {
  Folder folder;
  if (!reads_png(folder)) return;
  const std::string data = make_photos(folder / "photos", "fire", "caf\xe9", 5, 2);
  const Outcome refused = run("train_lenet5_relu", {data, "--steps", "1", "--out", (folder / "run").string()});
  CHECK(refused.code == 3);
  CHECK_THAT(refused.err, Contains("is no name for a class (it is not UTF-8)"));
  CHECK_FALSE(fs::exists(folder / "run/last.safetensors"));
}

TEST_CASE("a batch file that is missing is named") {
  Folder folder;
  make_cifar(folder / "data", 30, 10);
  for (const int number : {2, 4, 5})
    write_text(folder / "data" / ("data_batch_" + std::to_string(number) + ".bin"), cifar_records(10));
  const Outcome training =
      run("train_lenet5_relu", {(folder / "data").string(), "--steps", "1", "--out", (folder / "run").string()});
  CHECK(training.code == 0);
  CHECK_THAT(training.err, Contains("is without data_batch_3.bin"));
}

TEST_CASE("images beside the folders of classes, a single class, more outputs than classes: each is said") {
  Folder folder;
  if (!reads_png(folder)) return;
  const std::string data = make_photos(folder / "data", "cat", "dog", 4, 2);
  write_png(folder / "data/train/stray.png", 32, 32, 1, 2);
  const Outcome two = run("train_lenet5_relu", {data, "--epochs", "1", "--out", (folder / "two").string()});
  INFO(two.err);
  CHECK(two.code == 0);
  CHECK_THAT(two.err, Contains("1 image lies beside the folders of classes") &&
                          Contains("the data has 2 classes, the network 10; --outputs 2"));
  fs::remove_all(folder / "data/train/dog");
  fs::remove_all(folder / "data/test/dog");
  const Outcome one = run("train_lenet5_relu", {data, "--epochs", "1", "--out", (folder / "one").string()});
  CHECK(one.code == 0);
  CHECK_THAT(one.err, Contains("all training images are of one class"));
}

TEST_CASE("weights that do not name their classes: that labels are compared by number is said") {
  Folder folder;
  if (!reads_png(folder)) return;
  const std::string data = make_photos(folder / "data", "cat", "dog", 4, 2), out = folder / "run";
  REQUIRE(run("train_lenet5_relu", {data, "--epochs", "1", "--out", out}).code == 0);
  const tessera::Safetensors named = tessera::Safetensors::read(out + "/last.safetensors");
  const std::string weights = folder / "foreign.safetensors";
  tessera::write_safetensors(weights, named.tensors(), {});
  const Outcome outcome = run("evaluate", {weights, data, "--network", "lenet5_relu"});
  INFO(outcome.err);
  CHECK(outcome.code == 0);
  CHECK_THAT(outcome.err, Contains("the weights do not name theirs: labels are compared by number, 0 is cat"));
}

TEST_CASE("evaluating on many classes gives a list that can be read, and no table of all pairs") {
  Folder folder;
  if (!reads_png(folder)) return;
  for (int i = 0; i < 40; ++i)
    for (const char* part : {"train", "test"})
      write_png(folder / "data" / part / ("class" + std::to_string(i)) / "a.png", 32, 32, 5 * i, 255 - 5 * i);
  const std::string data = folder / "data", out = folder / "run";
  REQUIRE(run("train_lenet5_relu", {data, "--outputs", "40", "--epochs", "1", "--out", out}).code == 0);
  const Outcome outcome = run("evaluate", {out + "/last.safetensors", data});
  CHECK(outcome.code == 0);
  std::istringstream lines(outcome.out);
  int count = 0;
  for (std::string line; std::getline(lines, line); ++count) CHECK(line.size() < 250);
  CHECK(count == 40 + 4);
  CHECK_THAT(outcome.out, Contains("most often taken for"));
}

TEST_CASE("a run folder, or something in it, in the place of another: what to give is said") {
  Folder folder;
  make_cifar(folder / "data", 10, 10);
  const std::string out = folder / "run", data = folder / "data";
  REQUIRE(run("train_lenet5_relu", {data, "--steps", "1", "--out", out}).code == 0);
  for (const char* inside : {"checkpoints", "checkpoints/step-000000001", "last.safetensors"}) {
    const Outcome outcome = run("train_lenet5_relu", {"--resume", out + "/" + inside});
    CHECK(outcome.code == 4);
    CHECK_THAT(outcome.err, Contains("is in the run folder " + out));
  }
  const Outcome outcome = run("evaluate", {out, data});
  CHECK(outcome.code == 4);
  CHECK_THAT(outcome.err, Contains("is a run folder; give the weights in it: " + out + "/best.safetensors"));
}

TEST_CASE("grey images train a network of one channel, which every program then takes for that") {
  Folder folder;
  if (!reads_png(folder)) return;
  const std::string photos = make_photos(folder / "photos", "fire", "water", 12, 6), out = (folder / "grey").string();
  for (const std::string part : {"train", "test"})  // dark ones and bright ones: colour tells nothing
    for (int i = 0; i < 12; ++i) {
      write_png(folder / "photos" / part / "fire" / (std::to_string(i) + ".png"), 32, 32, 20 + i, 20);
      write_png(folder / "photos" / part / "water" / (std::to_string(i) + ".png"), 32, 32, 220 + i, 240);
    }
  const std::vector<std::string> common = {"--outputs", "2",     "--epochs",    "12",      "--batch-size", "4",
                                           "--lr",      "0.003", "--augment",   "jitter",  "--channels",   "1",
                                           "--out",     out,     "--normalize", "cifar10", "--tensorboard"};
  std::vector<std::string> arguments = {photos};
  arguments.insert(arguments.end(), common.begin(), common.end());
  const Outcome training = run("train_lenet5_relu", arguments);
  INFO(training.err);
  REQUIRE(training.code == 0);
  CHECK_THAT(training.last_line(), StartsWith("test: accuracy 1.0000"));
  CHECK_THAT(training.err, Contains("61,026 trainable parameters, of grey images"));
  CHECK_THAT(read_text(out + "/config.json"), Contains("\"channels\": 1"));
  CHECK_THAT(read_text(out + "/report.html"), Contains("6 filters of 5 × 5"));
  const std::string weights = out + "/last.safetensors";
  CHECK(tessera::Safetensors::read(weights).metadata().at("channels") == "1");

  CHECK_THAT(run("train_lenet5_relu", {"--resume", out, "--epochs", "13"}).last_line(), StartsWith("test: accuracy 1.0000"));
  CHECK_THAT(run("evaluate", {weights, photos}).last_line(), StartsWith("test: accuracy 1.0000"));
  const std::string photo = photos + "/test/water/0.png", heat = (folder / "heat.png").string();
  CHECK_THAT(run("predict", {weights, photo, "--explain", heat}).out, Contains("water"));
  CHECK_THAT(run("predict", {weights, photos, "--index", "7", "--explain", heat}).out, Contains("water"));
  CHECK_THAT(run("summary", {weights}).out, Contains("61,026"));
  CHECK(run("finetune", {weights, photos, "--classes", "water,fire", "--epochs-frozen", "1", "--epochs", "1", "--out",
                         (folder / "tuned").string()})
            .code == 0);
  CHECK(run("export", {weights, "--onnx", (folder / "net.onnx").string(), "--with-preprocessing"}).code == 0);
  check_failure(run("evaluate", {weights, photos, "--channels", "3"}), 4,
                "has 1 channels of images, this network 3; of another shape: conv_unit.0.weight [6, 1, 5, 5] instead of "
                "[6, 3, 5, 5]. Give --channels 1");
  check_failure(run("train_lenet5_relu", {"--resume", out, "--channels", "3"}), 4, "conv_unit.0.weight");
  check_failure(run("train_lenet5_relu", {photos, "--channels", "2"}), 2, "--channels 2: expected 1, 3");
}

TEST_CASE("a run does not become a class of its own data") {
  Folder folder;
  if (!reads_png(folder)) return;
  const std::string photos = make_photos(folder / "photos", "fire", "water", 4, 2);
  const auto train = [&](const std::string& out) {
    return run("train_lenet5_relu", {photos, "--outputs", "2", "--epochs", "1", "--out", out});
  };
  check_failure(train(photos + "/train/run"), 2, "lies among the images of " + photos);
  check_failure(train(photos + "/test/fire/../run"), 2, "lies among the images");
  CHECK(!fs::exists(photos + "/train/run"));
  check_failure(shell("cd " + photos + "/train && $BIN/train_lenet5_relu .. --steps 1"), 2, "runs: lies among the images");
  CHECK(train(photos + "/run").code == 0);
  CHECK(train((folder / "run").string()).code == 0);
}

TEST_CASE("a head of one output is not offered for one class") {
  Folder folder;
  if (!reads_png(folder)) return;
  const std::string photos = make_photos(folder / "photos", "fire", "water", 4, 2);
  fs::remove_all(photos + "/train/water");
  fs::remove_all(photos + "/test/water");
  const Outcome training = run("train_lenet5_relu", {photos, "--epochs", "1", "--out", (folder / "run").string()});
  CHECK(training.code == 0);
  CHECK_THAT(training.err, !Contains("--outputs 1") && Contains("there is nothing to tell it from"));
}

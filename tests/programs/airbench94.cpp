// train_airbench94 as a program: its closing line, what it keeps, what it refuses, and resume across the epoch at which a bias
// stops training.
#include <regex>

#include "engine/files/safetensors.h"
#include "tests/catch.h"
#include "tests/programs/run.h"

using namespace tessera::tests;
using Catch::Contains;
namespace fs = std::filesystem;

namespace {

using Words = std::vector<std::string>;

std::string weights_of(const fs::path& run) { return read_text(run / "last.safetensors"); }

std::vector<std::byte> tensor(const fs::path& file, const std::string& name) {
  const tessera::Safetensors weights = tessera::Safetensors::read(file);
  const auto bytes = weights.at(name).bytes;
  return {bytes.begin(), bytes.end()};
}

// The numbers of "test: accuracy A top-5 T loss L one view O", or of a line without the last two words.
struct Line {
  explicit Line(const std::string& text) {
    static const std::regex form("test: accuracy ([0-9.]+) top-5 ([0-9.]+) loss ([0-9.]+)( one view ([0-9.]+))?");
    std::smatch match;
    REQUIRE(std::regex_match(text, match, form));
    accuracy = match[1], one_view = match[5];
  }
  std::string accuracy, one_view;
};

}  // namespace

TEST_CASE("airbench94 trains, tells both accuracies, and goes on in the same bits across its bias's last epoch") {
  Folder folder;
  make_cifar(folder / "data", 18, 12);
  make_cifar(folder / "other", 9, 12);
  const std::string data = (folder / "data").string(), whole = (folder / "whole").string(), cut = (folder / "cut").string();
  const Words options{data, "--batch-size", "8", "--epochs", "4", "--seed", "3"};  // 2 steps an epoch, two images dropped
  const auto with = [&](Words more) {
    more.insert(more.begin(), options.begin(), options.end());
    return more;
  };
  const Outcome trained = run("train_airbench94", with({"--out", whole}));
  INFO(trained.err);
  REQUIRE(trained.code == 0);
  const Line line(trained.last_line());
  CHECK(!line.one_view.empty());
  CHECK_THAT(read_text(fs::path(whole) / "test.json"), Contains("\"accuracy\"") && Contains("\"one view\""));
  CHECK_THAT(read_text(fs::path(whole) / "report.html"), Contains("one view"));
  CHECK_THAT(history_without_times(whole), Contains(",8"));  // four epochs of two steps

  REQUIRE(run("train_airbench94", with({"--out", cut, "--steps", "3"})).code == 0);
  REQUIRE(run("train_airbench94", {"--resume", cut, "--steps", "7"}).code == 0);  // the bias trains until step 6
  REQUIRE(run("train_airbench94", {"--resume", cut, "--steps", "8"}).code == 0);
  CHECK(weights_of(cut) == weights_of(whole));

  const std::string weights = whole + "/last.safetensors";
  const Line six(run("evaluate", {weights, data, "--tta"}).last_line()), one(run("evaluate", {weights, data}).last_line());
  CHECK(six.accuracy == line.accuracy);
  CHECK(six.one_view == line.one_view);
  CHECK(one.accuracy == line.one_view);
  CHECK(one.one_view.empty());

  // Whitening is of the data, but of the file where weights are given.
  const Words short_run{"--batch-size", "8", "--steps", "1", "--out"};
  const auto start = [&](const std::string& name, Words words) {
    words.insert(words.end(), short_run.begin(), short_run.end());
    words.push_back((folder / name).string());
    const Outcome outcome = run("train_airbench94", words);
    INFO(outcome.err);
    REQUIRE(outcome.code == 0);
    return tensor(folder / name / "last.safetensors", "whiten.weight");
  };
  const auto ours = tensor(weights, "whiten.weight");
  CHECK(start("anew", {(folder / "other").string()}) != ours);
  CHECK(start("on", {(folder / "other").string(), "--weights", weights}) == ours);
  CHECK(start("bf16", {data, "--precision", "bf16"}) == ours);
}

TEST_CASE("airbench94: rates of its groups are not one option's; an optimiser of all takes the groups' place") {
  Folder folder;
  make_cifar(folder / "data", 16, 4);
  const std::string data = (folder / "data").string(), out = (folder / "run").string();
  for (const char* option : {"--lr", "--momentum", "--weight-decay"}) {
    const Outcome refused = run("train_airbench94", {data, option, "0.1"});
    CHECK(refused.code == 2);
    CHECK_THAT(refused.err, Contains(option) && Contains("--optimizer"));
  }
  const Outcome trained = run("train_airbench94", {data, "--optimizer", "adamw", "--lr", "0.002", "--label-smoothing",
                                                   "0.05", "--augment", "none", "--steps", "2", "--out", out});
  INFO(trained.err);
  REQUIRE(trained.code == 0);
  const std::string config = read_text(fs::path(out) / "config.json");
  CHECK_THAT(config, Contains("\"groups\": []") && Contains("\"summed_loss\": false") &&
                         Contains("\"learning_rate\": 0.002") && Contains("\"label_smoothing\": 0.05") &&
                         Contains("\"augment\": \"none\"") && Contains("\"normalization\": \"cifar10-true\""));
}

// Options of train_<network>: what they are refused for, that config.json keeps them, and that a run with them goes on in
// the same bits where it was cut.
#include "tests/catch.h"
#include "tests/programs/run.h"

using namespace tessera::tests;
using Catch::Contains;
namespace fs = std::filesystem;

namespace {

using Words = std::vector<std::string>;

Words joined(Words words, const Words& more) {
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

std::string weights_of(const fs::path& run) { return read_text(run / "last.safetensors"); }

}  // namespace

TEST_CASE("options of training: a run with them goes on where it was cut, with the same bits") {
  Folder folder;
  make_cifar(folder / "data", 48, 16);
  const std::string data = (folder / "data").string();
  const Words base{data, "--batch-size", "8", "--epochs", "3", "--seed", "4"};  // 18 steps
  const std::string plain = (folder / "plain").string();
  REQUIRE(run("train_lenet5_relu", joined(base, {"--out", plain})).code == 0);

  struct Case {
    Words options;
    std::string in_config;
  };
  int number = 0;
  for (const Case& c :
       {Case{{"--schedule", "linear"}, "\"kind\": \"linear\""},
        Case{{"--schedule", "cosine", "--warmup", "4"}, "\"warmup\": 4"}, Case{{"--schedule", "step"}, "\"kind\": \"step\""},
        Case{{"--schedule", "one-cycle"}, "\"kind\": \"one cycle\""}}) {
    INFO(c.options[0] << ' ' << c.options[1]);
    const std::string name = std::to_string(number++), whole = (folder / ("whole" + name)).string(),
                      cut = (folder / ("cut" + name)).string();
    const Outcome trained = run("train_lenet5_relu", joined(joined(base, c.options), {"--out", whole}));
    INFO(trained.err);
    REQUIRE(trained.code == 0);
    CHECK_THAT(read_text(fs::path(whole) / "config.json"), Contains(c.in_config));
    CHECK(weights_of(whole) != weights_of(plain));  // the option does something
    REQUIRE(run("train_lenet5_relu", joined(joined(base, c.options), {"--out", cut, "--steps", "8"})).code == 0);
    REQUIRE(run("train_lenet5_relu", {"--resume", cut, "--steps", "18"}).code == 0);
    CHECK(weights_of(cut) == weights_of(whole));
  }
}

TEST_CASE("patience ends a run, and says so") {
  Folder folder;
  make_cifar(folder / "data", 16, 8);
  const std::string data = (folder / "data").string(), out = (folder / "run").string();
  const Outcome ended = run("train_lenet5_relu", {data, "--epochs", "9", "--lr", "1e-30", "--patience", "2", "--out", out});
  INFO(ended.err);
  CHECK(ended.code == 0);
  CHECK_THAT(ended.err, Contains("2 evaluations in a row were not better (validation loss)"));
  const std::string rows = read_text(fs::path(out) / "history.csv");
  CHECK(std::count(rows.begin(), rows.end(), '\n') == 1 + 3);
  CHECK_THAT(read_text(fs::path(out) / "config.json"), Contains("\"patience\": 2"));
  const Outcome none =
      run("train_resnet18_nndl", {data, "--patience", "2", "--steps", "1", "--out", (folder / "none").string()});
  CHECK_THAT(none.err, Contains("patience"));
  CHECK(none.code == 2);
}

TEST_CASE("a run of minutes ends with them, its rate at the end of the schedule") {
  Folder folder;
  make_cifar(folder / "data", 64, 8);
  const std::string out = (folder / "run").string();
  const Outcome timed = run("train_lenet5_relu", {(folder / "data").string(), "--epochs", "1000000", "--batch-size", "8",
                                                  "--schedule", "linear", "--minutes", "0.05", "--out", out});
  INFO(timed.err);
  REQUIRE(timed.code == 0);
  const std::string rows = read_text(fs::path(out) / "history.csv");
  const std::string last = rows.substr(rows.rfind('\n', rows.size() - 2) + 1);
  std::vector<std::string> cells;
  std::istringstream line(last);
  for (std::string cell; std::getline(line, cell, ',');) cells.push_back(cell);
  CHECK(std::stod(cells.at(5)) < 0.1 * 1e-3);  // a tenth of the recipe's rate, were the machine uneven
}

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

TEST_CASE("--optimizer muon goes on in the same bits; groups of a recipe take no rate for all") {
  Folder folder;
  make_cifar(folder / "data", 32, 8);
  const std::string data = (folder / "data").string(), whole = (folder / "whole").string(), cut = (folder / "cut").string();
  const Words base{data, "--batch-size", "8", "--epochs", "2", "--optimizer", "muon", "--lr", "0.05"};
  const Outcome trained = run("train_resnet_mini", joined(base, {"--out", whole}));
  INFO(trained.err);
  REQUIRE(trained.code == 0);
  REQUIRE(run("train_resnet_mini", joined(base, {"--out", cut, "--steps", "3"})).code == 0);
  REQUIRE(run("train_resnet_mini", {"--resume", cut, "--steps", "8"}).code == 0);
  CHECK(weights_of(cut) == weights_of(whole));
  const Outcome none =
      run("train_lenet5_relu", {data, "--optimizer", "muon", "--steps", "1", "--out", (folder / "x").string()});
  CHECK(none.code == 2);
  CHECK_THAT(none.err, Contains("batch norm follows"));
  for (const char* option : {"--lr", "--momentum", "--weight-decay"}) {
    const Outcome refused = run("train_airbench94", {data, option, "0.1", "--out", (folder / "y").string()});
    CHECK(refused.code == 2);
    CHECK_THAT(refused.err, Contains(option) && Contains("--optimizer"));
  }
  CHECK(run("train_airbench94", {data, "--find-lr", "--out", (folder / "z").string()}).code == 2);
}

TEST_CASE("an average of the weights is evaluated, saved, and goes on where a run was cut; everything at once too") {
  Folder folder;
  make_cifar(folder / "data", 48, 16);
  const std::string data = (folder / "data").string();
  const Words base{data, "--batch-size", "8", "--epochs", "3", "--ema", "0.9"};
  const Words everything{"--optimizer",
                         "lion",
                         "--lr",
                         "1e-3",
                         "--clip-norm",
                         "0.5",
                         "--accumulate",
                         "3",
                         "--class-weights",
                         "balanced",
                         "--label-smoothing",
                         "0.1",
                         "--schedule",
                         "linear",
                         "--warmup",
                         "3",
                         "--augment",
                         "flip,jitter,cutout,mixup,cutmix"};
  for (const std::string device : {"cpu", "emulated"}) {
    const Words all = joined(joined(base, {"--device", device}), device == "cpu" ? Words{} : everything);
    const std::string whole = (folder / ("whole-" + device)).string(), cut = (folder / ("cut-" + device)).string();
    const Outcome trained = run("train_lenet5_relu", joined(all, {"--out", whole}));
    INFO(trained.err);
    REQUIRE(trained.code == 0);
    CHECK_THAT(trained.out, Contains("\nema: accuracy 0."));
    CHECK_THAT(trained.last_line(), Catch::StartsWith("test: "));
    CHECK_THAT(read_text(fs::path(whole) / "history.csv"), Contains(",step,ema_val_accuracy,ema_val_loss\n"));
    const std::string average = read_text(fs::path(whole) / "ema.safetensors");
    CHECK(average != weights_of(whole));
    REQUIRE(run("train_lenet5_relu", joined(all, {"--out", cut, "--steps", "8"})).code == 0);
    REQUIRE(run("train_lenet5_relu", {"--resume", cut, "--steps", "18"}).code == 0);
    CHECK(weights_of(cut) == weights_of(whole));
    CHECK(read_text(fs::path(cut) / "ema.safetensors") == average);
    if (device == "cpu") {
      const std::string line = run("evaluate", {whole + "/ema.safetensors", data}).last_line();
      CHECK_THAT(trained.out, Contains("ema: " + line.substr(std::string("test: ").size())));
    }
  }
  const std::string same = (folder / "same").string();
  REQUIRE(run("train_lenet5_relu", {data, "--steps", "2", "--ema", "0", "--out", same}).code == 0);
  CHECK(read_text(fs::path(same) / "ema.safetensors") == weights_of(same));
}

TEST_CASE("options of training that cannot be: exit code 2") {
  Folder folder;
  make_cifar(folder / "data", 16, 8);
  const std::string data = (folder / "data").string();
  const auto refused = [&](const Words& words, const std::string& why) {
    const Outcome outcome =
        run("train_lenet5_relu", joined({data, "--steps", "1", "--out", (folder / "run").string()}, words));
    INFO(words[0] << ": " << outcome.err);
    CHECK(outcome.code == 2);
    CHECK_THAT(outcome.err, Contains(why));
  };
  refused({"--schedule", "round"}, "--schedule");
  refused({"--warmup", "-1"}, "--warmup");
  refused({"--clip-norm", "0"}, "--clip-norm");
  refused({"--accumulate", "0"}, "--accumulate");
  refused({"--ema", "1"}, "--ema");
  refused({"--patience", "0"}, "--patience");
  refused({"--label-smoothing", "1.5"}, "--label-smoothing");
  refused({"--class-weights", "1,x"}, "--class-weights");
  refused({"--class-weights", "1,2,3"}, "3 numbers for 10 classes");
  refused({"--augment", "flip,blur"}, "--augment");
  refused({"--optimizer", "lion", "--momentum", "0.9"}, "--momentum");
}

TEST_CASE("a network with one output takes smoothed labels, class weights and mixed images too") {
  Folder folder;
  make_cifar(folder / "data", 40, 20);
  const std::string data = (folder / "data").string();
  const auto train = [&](const std::string& name, const Words& more) {
    const Outcome outcome =
        run("train_resnet34_transfer_binary",
            joined({data, "--steps", "1", "--batch-size", "4", "--out", (folder / name).string()}, more));
    INFO(outcome.err);
    REQUIRE(outcome.code == 0);
    return weights_of(folder / name);
  };
  const std::string plain = train("plain", {});
  CHECK(train("smooth", {"--label-smoothing", "0.2"}) != plain);
  CHECK(train("weights", {"--class-weights", "3,1"}) != plain);
  CHECK(train("mixup", {"--augment", "mixup"}) != plain);
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
  CHECK(std::stod(cells.at(5)) < 0.9 * 1e-3);  // of the recipe's rate: how low depends on how even the machine is
}

TEST_CASE("--find-lr sweeps the rate, draws the losses and suggests a rate; its folder is free for the training") {
  Folder folder;
  make_cifar(folder / "data", 64, 8);
  const std::string data = (folder / "data").string(), out = (folder / "run").string();
  const Words base{data, "--optimizer", "sgd", "--batch-size", "16", "--out", out};
  const Outcome found = run("train_lenet5_relu", joined(base, {"--find-lr"}));
  INFO(found.err);
  REQUIRE(found.code == 0);
  CHECK_THAT(found.last_line(), Catch::StartsWith("find-lr: try --lr "));
  CHECK_THAT(read_text(fs::path(out) / "report.html"), Contains("<svg") && Contains("learning rate"));
  for (const char* of_a_run : {"config.json", "last.safetensors", "checkpoints"})
    CHECK(!fs::exists(fs::path(out) / of_a_run));
  CHECK_THAT(read_text(fs::path(out) / "sweep.json"), Contains("\"batch_size\": 16"));
  check_failure(run("train_lenet5_relu", {"--resume", out}), 4, "no run folder");
  CHECK(run("train_lenet5_relu", joined(base, {"--find-lr"})).last_line() == found.last_line());
  CHECK_THAT(run("train_lenet5_relu", joined(base, {"--find-lr", "--json"})).last_line(),
             Catch::StartsWith("{\"event\":\"find-lr\",\"lr\":") && Contains("\"losses\":["));
  const std::string rate = found.last_line().substr(std::string("find-lr: try --lr ").size());
  CHECK(run("train_lenet5_relu", joined(base, {"--steps", "1", "--lr", rate.substr(0, rate.find(' '))})).code == 0);
  CHECK(run("train_lenet5_relu", {"--resume", out, "--find-lr"}).code == 2);

  // What is a run's stays: a sweep takes no folder that holds one, nor one in which another process is at work.
  const std::string config = read_text(fs::path(out) / "config.json");
  check_failure(run("train_lenet5_relu", joined(base, {"--find-lr"})), 2, "already holds a run");
  CHECK(read_text(fs::path(out) / "config.json") == config);
  const std::string busy = (folder / "busy").string();
  Process first("train_lenet5_relu", {data, "--epochs", "100000", "--out", busy});
  REQUIRE(first.wait_for(fs::path(busy) / "config.json"));
  check_failure(run("train_lenet5_relu", {data, "--find-lr", "--out", busy}), 4, "another process");
}

TEST_CASE("a run that was cut before its first checkpoint keeps its folder: no sweep and no other run takes it") {
  Folder folder;
  make_cifar(folder / "data", 64, 8);
  const std::string data = (folder / "data").string(), out = (folder / "run").string();
  REQUIRE(run("train_lenet5_relu", {data, "--steps", "2", "--seed", "7", "--batch-size", "16", "--out", out}).code == 0);
  const std::string config = read_text(fs::path(out) / "config.json"),
                    weights = read_text(fs::path(out) / "last.safetensors");
  for (const auto& entry : fs::directory_iterator(out))
    if (entry.path().filename() != "config.json") fs::remove_all(entry.path());
  const Words others{data, "--batch-size", "2", "--seed", "3", "--out", out};
  check_failure(run("train_lenet5_relu", joined(others, {"--find-lr"})), 2, "already holds a run");
  check_failure(run("train_lenet5_relu", joined(others, {"--steps", "1"})), 2, "already holds a run");
  CHECK(read_text(fs::path(out) / "config.json") == config);
  CHECK(run("train_lenet5_relu", {"--resume", out}).code == 0);
  CHECK(read_text(fs::path(out) / "last.safetensors") == weights);
}

TEST_CASE("an evaluation before batch norm's running statistics have moved is warned of, once and not for good") {
  Folder folder;
  make_cifar(folder / "data", 48, 8);
  const std::string data = (folder / "data").string(), first = (folder / "first").string();
  const auto warnings = [](const std::string& text) {
    int count = 0;
    for (std::size_t at = text.find("running statistics"); at != text.npos; at = text.find("running statistics", at + 1))
      ++count;
    return count;
  };
  const Outcome early = run("train_resnet_mini", {data, "--epochs", "2", "--batch-size", "24", "--out", first});
  INFO(early.err);
  REQUIRE(early.code == 0);
  CHECK(warnings(early.err) == 1);
  CHECK_THAT(early.err, Contains("after 2 steps") && Contains("81 % their initial values"));  // 0.9²
  // From weights that have theirs, and in a network without batch norm: none.
  CHECK(warnings(run("train_resnet_mini", {data, "--epochs", "1", "--batch-size", "24", "--weights",
                                           first + "/last.safetensors", "--out", (folder / "second").string()})
                     .err) == 0);
  CHECK(warnings(run("train_lenet5_relu", {data, "--epochs", "1", "--out", (folder / "lenet").string()}).err) == 0);
  // 0.9^24 is below a tenth.
  CHECK(warnings(run("train_resnet_mini", {data, "--epochs", "1", "--batch-size", "2", "--out", (folder / "late").string()})
                     .err) == 0);
}

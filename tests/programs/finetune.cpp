// finetune: a new head on trained weights, frozen phase and unfrozen phase.
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <sstream>
#include <thread>

#include "engine/files/safetensors.h"
#include "tests/catch.h"
#include "tests/programs/run.h"

using namespace tessera::tests;
using Catch::Contains;
using Catch::StartsWith;
namespace fs = std::filesystem;

namespace {

// A pretrained lenet5_relu of ten classes; what the tests start from.
std::string pretrain(const Folder& folder, const std::string& network = "lenet5_relu") {
  const std::string out = (folder / "pretrained").string();
  const Outcome outcome = run("train_" + network, {(folder / "data").string(), "--epochs", "1", "--out", out});
  INFO(outcome.err);
  REQUIRE(outcome.code == 0);
  return out + "/last.safetensors";
}

std::vector<std::string> rows_of(const std::string& history) {
  std::vector<std::string> rows;
  std::istringstream lines(read_text(history));
  for (std::string line; std::getline(lines, line);) rows.push_back(line);
  return rows;
}

bool same_bytes(const tessera::TensorEntry& a, const tessera::TensorEntry& b) {
  return a.shape == b.shape && std::equal(a.bytes.begin(), a.bytes.end(), b.bytes.begin(), b.bytes.end());
}

// Names of the tensors that differ between two files.
std::vector<std::string> changed(const std::string& before, const std::string& after) {
  const tessera::Safetensors a = tessera::Safetensors::read(before), b = tessera::Safetensors::read(after);
  REQUIRE(a.tensors().size() == b.tensors().size());
  std::vector<std::string> names;
  for (const tessera::TensorEntry& entry : b.tensors())
    if (!same_bytes(a.at(entry.name), entry)) names.push_back(entry.name);
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

TEST_CASE("both phases: files, history, and a result that evaluate repeats") {
  Folder folder;
  make_cifar(folder / "data", 400, 100);
  const std::string data = (folder / "data").string(), weights = pretrain(folder), out = (folder / "run").string();
  const Outcome tuning =
      run("finetune", {weights, data, "--classes", "horse,ship", "--epochs-frozen", "2", "--epochs", "3", "--out", out});
  INFO(tuning.err);
  REQUIRE(tuning.code == 0);
  CHECK_THAT(tuning.last_line(), StartsWith("test: accuracy "));
  CHECK_THAT(tuning.err, Contains("phase 1: 85 trainable parameters") && Contains("phase 2: 61,241 trainable parameters"));
  for (const char* file : {"config.json", "history.csv", "last.safetensors", "best.safetensors", "report.html"})
    CHECK(fs::exists(fs::path(out) / file));

  // 80 images of the two classes, 3 steps an epoch; no validation while frozen.
  const std::vector<std::string> rows = rows_of(out + "/history.csv");
  REQUIRE(rows.size() == 6);
  for (int epoch = 1; epoch <= 5; ++epoch) {
    const std::string& row = rows[static_cast<std::size_t>(epoch)];
    CHECK_THAT(row, StartsWith(std::to_string(epoch) + ","));
    CHECK(row.substr(row.rfind(',') + 1) == std::to_string(3 * epoch));
    CHECK((row.find(",,") != std::string::npos) == (epoch <= 2));
  }
  const tessera::Safetensors file = tessera::Safetensors::read(out + "/last.safetensors");
  CHECK(file.metadata().at("network") == "lenet5_relu");
  CHECK(file.metadata().at("outputs") == "1");
  CHECK(file.metadata().at("classes") == "horse,ship");

  const Outcome evaluation = run("evaluate", {out + "/last.safetensors", data, "--batch-size", "32"});
  INFO(evaluation.err);
  REQUIRE(evaluation.code == 0);
  CHECK(evaluation.last_line() == tuning.last_line());
  CHECK_THAT(evaluation.out, Contains("horse") && Contains("ship"));
  CHECK(evaluation.out.find("airplane") == std::string::npos);
  CHECK_THAT(read_text(out + "/report.html"), Contains("new head") && Contains("horse"));
  CHECK(run("finetune", {weights, data, "--classes", "horse,ship", "--out", out}).code == 2);  // holds a run already
}

TEST_CASE("the frozen phase moves the head alone, and running statistics not at all") {
  Folder folder;
  make_cifar(folder / "data", 60, 20);
  const std::string data = (folder / "data").string(), out = (folder / "run").string();
  const std::string weights = pretrain(folder, "resnet18");
  const auto tune = [&](const char* frozen, const char* all, const std::string& to) {
    const Outcome outcome = run("finetune", {weights, data, "--classes", "cat,dog,ship", "--epochs-frozen", frozen,
                                             "--epochs", all, "--out", to, "--limit-train", "18", "--batch-size", "6"});
    INFO(outcome.err);
    REQUIRE(outcome.code == 0);
    return outcome;
  };
  const Outcome frozen = tune("2", "0", out);
  CHECK_THAT(frozen.err, Contains("phase 1: 1,539 trainable parameters"));
  CHECK(changed(weights, out + "/last.safetensors") == std::vector<std::string>{"f1.bias", "f1.weight"});

  // Unfrozen, everything moves.
  tune("0", "1", out + "-all");
  CHECK(changed(weights, out + "-all/last.safetensors").size() == tessera::Safetensors::read(weights).tensors().size());
  const Outcome evaluation = run("evaluate", {out + "/last.safetensors", data, "--batch-size", "6"});
  CHECK(evaluation.last_line() == frozen.last_line());
}

TEST_CASE("the order of --classes is the order of the labels") {
  Folder folder;
  make_cifar(folder / "data", 200, 50);
  const std::string weights = pretrain(folder);
  for (const auto& [names, labels] : {std::pair{"ship,horse", "8,7"}, std::pair{"truck,cat,deer", "9,3,4"}}) {
    const std::string out = (folder / names).string();
    REQUIRE(run("finetune", {weights, (folder / "data").string(), "--classes", names, "--epochs-frozen", "1", "--epochs",
                             "0", "--out", out})
                .code == 0);
    const tessera::Safetensors file = tessera::Safetensors::read(out + "/last.safetensors");
    CHECK(file.metadata().at("classes") == names);
    CHECK(file.metadata().at("labels") == labels);
  }
}

TEST_CASE("finetune explains itself, with defaults") {
  const Outcome help = run("finetune", {"--help"});
  CHECK(help.code == 0);
  for (const char* option :
       {"--epochs-frozen INT=5", "--epochs INT=10", "--lr-frozen FLOAT=0.01", "--lr FLOAT=0.01", "--batch-size INT=32",
        "--network", "--limit-train", "--limit-test", "--out", "--quiet", "--json", "--device"})
    CHECK_THAT(help.out, Contains(option));
  CHECK(run("finetune", {"--version"}).code == 0);
}

TEST_CASE("finetune: mistakes say what is wrong") {
  Folder folder;
  make_cifar(folder / "data", 40, 20);
  const std::string data = (folder / "data").string(), weights = pretrain(folder);
  const auto fails = [&](std::vector<std::string> arguments, int code, const std::string& reason) {
    arguments.insert(arguments.end(), {"--out", (folder / "none").string()});
    const Outcome outcome = run("finetune", std::move(arguments));
    INFO(outcome.err);
    CHECK(outcome.code == code);
    CHECK_THAT(outcome.err, Contains(reason));
    CHECK_FALSE(fs::exists(folder / "none"));
  };
  fails({weights, data}, 2, "--classes");
  fails({"--classes", "horse,unicorn", weights, data}, 2, "unicorn");  // the option first: it takes one word
  fails({weights, data, "--classes", "horse"}, 2, "two or more");
  fails({weights, data, "--classes", "horse,horse"}, 2, "different");
  fails({weights, data, "--classes", "horse,unicorn"}, 2, "unicorn");
  fails({weights, data, "--classes", "horse,ship", "--epochs", "0", "--epochs-frozen", "0"}, 2, "nothing would be trained");
  fails({weights, (folder / "nowhere").string(), "--classes", "horse,ship"}, 3, "nowhere");
  fails({(folder / "nothing.safetensors").string(), data, "--classes", "horse,ship"}, 4, "nothing.safetensors");
  fails({weights, data, "--classes", "horse,ship", "--network", "resnet18"}, 4, "missing");
}

TEST_CASE("best.safetensors cannot be written at the end of the first phase: what is resumed still trains the second") {
  Folder folder;
  make_cifar(folder / "data", 200, 50);
  const std::string weights = pretrain(folder), data = (folder / "data").string();
  const auto arguments = [&](const std::string& name) {
    return std::vector<std::string>{weights, data,     "--classes", "horse,ship", "--epochs-frozen",       "1", "--epochs",
                                    "2",     "--seed", "5",         "--out",      (folder / name).string()};
  };
  REQUIRE(run("finetune", arguments("whole")).code == 0);
  const fs::path cut = folder / "cut";
  fs::create_directories(cut / "best.safetensors/in the way");
  CHECK(run("finetune", arguments("cut")).code == 4);
  fs::remove_all(cut / "best.safetensors");
  const Outcome rest = run("finetune", {"--resume", cut.string()});
  INFO(rest.err);
  REQUIRE(rest.code == 0);
  CHECK(read_text(cut / "last.safetensors") == read_text(folder / "whole" / "last.safetensors"));
  CHECK(history_without_times(cut) == history_without_times(folder / "whole"));
}

TEST_CASE("finetune --resume after SIGTERM and kill -9, in either phase, ends with the bits of the uninterrupted run") {
  Folder folder;
  make_cifar(folder / "data", 1000, 50);
  const std::string weights = pretrain(folder), data = (folder / "data").string();
  const auto arguments = [&](const std::string& name) {
    return std::vector<std::string>{
        weights, data,     "--classes", "horse,ship", "--epochs-frozen",       "30", "--epochs", "30", "--batch-size",
        "2",     "--seed", "5",         "--out",      (folder / name).string()};
  };
  const Outcome whole = run("finetune", arguments("whole"));
  INFO(whole.err);
  REQUIRE(whole.code == 0);

  for (const int signal : {SIGTERM, SIGKILL}) {
    const fs::path cut = folder / ("cut" + std::to_string(signal));
    int cuts = 0;
    {
      Process process("finetune", arguments(cut.filename().string()));
      REQUIRE(process.wait_for(cut / "checkpoints" / "latest"));
      CHECK(run("finetune", {"--resume", cut.string()}).code == 4);  // one at a time
      process.signal(signal);
      const Outcome stopped = process.wait();
      cuts += stopped.code == 128 + signal;
      if (signal == SIGTERM) CHECK_THAT(stopped.err, Contains("finetune --resume"));
    }
    for (bool over = false; !over;) {  // again and again, somewhat later each time
      Process process("finetune", {"--resume", cut.string()});
      std::this_thread::sleep_for(std::chrono::milliseconds(100 + 20 * cuts));
      over = !process.running();
      process.signal(signal);
      const Outcome outcome = process.wait();
      INFO(outcome.err);
      CHECK((outcome.code == 0 || outcome.code == 128 + signal));
      over = over || outcome.code == 0;
      cuts += !over;
    }
    CHECK(cuts > 0);
    const Outcome rest = run("finetune", {"--resume", cut.string()});
    INFO(rest.err);
    REQUIRE(rest.code == 0);
    CHECK(rest.last_line() == whole.last_line());
    CHECK(read_text(cut / "last.safetensors") == read_text(folder / "whole" / "last.safetensors"));
    CHECK(read_text(cut / "best.safetensors") == read_text(folder / "whole" / "best.safetensors"));
    CHECK(history_without_times(cut) == history_without_times(folder / "whole"));
  }

  // Longer phases; and each program keeps to its own runs.
  const std::string out = (folder / "whole").string();
  const Outcome longer = run("finetune", {"--resume", out, "--epochs", "32"});
  INFO(longer.err);
  CHECK(longer.code == 0);
  CHECK(rows_of(out + "/history.csv").size() == 1 + 30 + 32);
  CHECK_THAT(longer.err, Contains("phases[1].epochs 30 → 32") || Contains("phases"));
  CHECK_THAT(run("train_lenet5_relu", {"--resume", out}).err, Contains("finetune --resume"));
  const std::string pretrained = (folder / "pretrained").string();
  CHECK_THAT(run("finetune", {"--resume", pretrained}).err, Contains("train_lenet5_relu --resume"));
  CHECK(run("finetune", {weights, data, "--resume", out}).code == 2);
}

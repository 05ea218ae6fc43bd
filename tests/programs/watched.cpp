// What a run writes for those who watch it: TensorBoard's events and a trace of layers and kernels. Neither changes a bit of it.
#include <nlohmann/json.hpp>

#include "engine/files/tfevents.h"
#include "tests/catch.h"
#include "tests/programs/run.h"
#include "tests/text.h"

using namespace tessera::tests;
using Catch::Contains;
namespace fs = std::filesystem;

TEST_CASE("--tensorboard: one record an evaluation, also behind a torn end and a resume; without a file the run goes on") {
  const Folder folder;
  make_cifar(folder / "data", 40, 10);
  const auto words = [&](const char* out, const char* epochs) {
    return std::vector<std::string>{(folder / "data").string(), "--batch-size", "20", "--epochs", epochs, "--out",
                                    (folder / out).string()};
  };
  const auto watched = [&](const char* out, const char* epochs) {
    std::vector<std::string> all = words(out, epochs);
    all.emplace_back("--tensorboard");
    return all;
  };
  REQUIRE(run("train_lenet5_relu", words("plain", "3")).code == 0);
  REQUIRE(run("train_lenet5_relu", watched("run", "2")).code == 0);
  const fs::path events = folder / "run/events.out.tfevents.tessera";
  const std::string two = read_text(events);
  const std::vector<std::string_view> records = tessera::records_of(two);
  REQUIRE(records.size() == 5);  // the version, configuration and images, two evaluations, the closing mistakes
  CHECK(std::string(records[1]).find("configuration") != std::string::npos);
  CHECK(std::string(records[1]).find("\x89PNG") != std::string::npos);
  for (const char* tag :
       {"loss/training", "accuracy/validation", "learning rate", "weights/conv_unit.0.weight", "gradients/fc_unit.4.bias"})
    CHECK(count_of(two, tag) == 2);
  CHECK(count_of(two, "images/mistakes") == 1);

  write_text(events, two.substr(0, two.size() - 7));
  REQUIRE(run("train_lenet5_relu", {"--resume", (folder / "run").string(), "--epochs", "3"}).code == 0);
  const std::string three = read_text(events);
  CHECK(count_of(three, "loss/training") == 3);
  CHECK(count_of(three, "images/training") == 1);
  CHECK(read_text(folder / "run/last.safetensors") == read_text(folder / "plain/last.safetensors"));

  fs::remove(events);
  fs::create_directories(events / "in the way");
  const Outcome without = run("train_lenet5_relu", {"--resume", (folder / "run").string(), "--epochs", "4"});
  CHECK(without.code == 0);
  CHECK(count_of(without.err, "the run goes on without") == 1);
}

TEST_CASE("--profile writes a trace that says what every kernel call did, and a table of what was slowest") {
  const Folder folder;
  make_cifar(folder / "data", 40, 10);
  const auto words = [&](const char* out) {
    return std::vector<std::string>{
        (folder / "data").string(), "--batch-size", "20", "--steps", "2", "--threads", "1", "--out",
        (folder / out).string()};
  };
  std::vector<std::string> profiled = words("profiled");
  profiled.insert(profiled.end(), {"--profile", (folder / "trace.json").string()});
  const Outcome outcome = run("train_lenet5_relu", profiled);
  INFO(outcome.err);
  REQUIRE(outcome.code == 0);
  CHECK_THAT(outcome.out + outcome.err, Contains("conv_unit.0") && Contains("GFLOP/s") && Contains("ui.perfetto.dev"));
  const auto trace = nlohmann::json::parse(read_text(folder / "trace.json"));
  std::size_t calls = 0, steps = 0;
  for (const auto& event : trace.at("traceEvents")) {
    calls += event.at("name") == "adam_step" && event.at("ph") == "X";
    steps += event.at("ph") == "X" && event.at("tid") == 1;
  }
  CHECK(calls >= 2);
  CHECK(steps >= 2);
  REQUIRE(run("train_lenet5_relu", words("plain")).code == 0);
  CHECK(read_text(folder / "profiled/last.safetensors") == read_text(folder / "plain/last.safetensors"));
}

// state.json of a checkpoint: what is written reads back, and every field is checked against what it means.
#include <nlohmann/json.hpp>

#include "engine/core/error.h"
#include "engine/run/checkpointing.h"
#include "tests/catch.h"
#include "tests/engine/devices.h"
#include "tests/engine/tiny_network.h"
#include "tests/temporary_folder.h"

using namespace tessera;
using namespace tessera::test;
using Catch::Contains;
using Json = nlohmann::ordered_json;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

struct Trained {
  Trained()
      : device(training_device()),
        store(network, device, 6),
        train(DeviceImages::upload(tiny_images(37, 1), device), gather_params(Normalization::none, Augmentation::none, 1)),
        fit(network, store, recipe(), train, nullptr) {}
  static Recipe recipe() {
    Recipe r;
    r.batch_size = 8, r.epochs = 2;
    r.optimizer = Adam::Options{};
    return r;
  }
  std::shared_ptr<Device> device;
  TinyNetwork network;
  ParameterStore store;
  ImageBatches train;
  Fit fit;
};

Checkpoint written(Trained& t) {
  const tests::TemporaryFolder folder;
  CheckpointStore store(folder / "run");
  CheckpointWriter writer(store, t.store, "{}", [] { return DataDigests{"a", "b", "c"}; });
  t.fit.add(writer);
  t.fit.run();
  std::vector<std::string> notes;
  return store.load_newest(notes).value();
}

}  // namespace

TEST_CASE("a checkpoint's state reads back; each field that cannot be is named, and nothing is restored") {
  Trained t;
  Checkpoint checkpoint = written(t);
  const Resumed resumed = restore(checkpoint, t.store);
  CHECK(resumed.state.step == 10);
  CHECK(resumed.state.epoch == 2);
  CHECK(resumed.state.history.size() == 2);
  CHECK(resumed.data.train == "a");
  CHECK(resumed.data.test == "c");
  CHECK(restore_memory(checkpoint, t.fit.optimizer()));

  const Json good = Json::parse(text_of(checkpoint.files.at("state.json")));
  const auto refusal = [&](const Json& json) -> std::string {
    const std::string text = json.dump();
    checkpoint.files["state.json"] = Bytes(bytes_of(text).begin(), bytes_of(text).end());
    try {
      restore(checkpoint, t.store);
      return "";
    } catch (const WeightsError& error) {
      return error.what();
    }
  };
  for (const auto& [path, value, name] : std::initializer_list<std::tuple<const char*, Json, const char*>>{
           {"/position", -5, "position"},
           {"/position", 1e300, "position"},
           {"/position", "abc", "position"},
           {"/position", nullptr, "position"},
           {"/epoch", std::int64_t{1} << 62, "epoch"},
           {"/epoch", 11, "step"},
           {"/step", 9, "step"},
           {"/step", std::int64_t{1} << 62, "step"},
           {"/row_seconds", -1, "row_seconds"},
           {"/seconds", -1, "seconds"},
           {"/pace", {{"step", 1}, {"end", -1}}, "pace.end"},
           {"/pace", {{"speed", 1}}, "pace.'speed'"},
           {"/metrics", 3, "metrics"},
           {"/metrics", {0, 0, 0, 0, 0}, "metrics"},
           {"/metrics/4", -1, "metrics[4]"},
           {"/metrics/0", "abc", "metrics[0]"},
           {"/guard/0", 7, "guard[0]"},
           {"/guard/1", 1e10, "guard[1]"},
           {"/best", "high", "best"},
           {"/history", {{"epoch", 1}}, "history"},
           {"/history/0/step", -1, "history[0].step"},
           {"/history/1/train/3", 0.5, "history[1].train[3]"},
           {"/history/1/learning_rate", "x", "history[1].learning_rate"},
           {"/data/train", 5, "data.train"}}) {
    INFO(path << " = " << value.dump());
    Json bad = good;
    bad[Json::json_pointer(path)] = value;
    CHECK_THAT(refusal(bad), Contains(std::string("state.json: ") + name));
  }
  for (const auto& [key, value] : good.items()) {
    Json without = good;
    without.erase(key);
    if (key == "data" || key == "seconds" || key == "pace")  // younger than the first checkpoints
      CHECK(refusal(without).empty());
    else
      CHECK_THAT(refusal(without), Contains(key + " is missing"));
  }
  CHECK_THAT(refusal(Json::array()), Contains("not a JSON object"));
  Json diverged = good;  // a run may have ended so
  diverged["metrics"][0] = "nan";
  diverged["history"][0]["train"][0] = "inf";
  CHECK(refusal(diverged).empty());
  CHECK(restore(checkpoint, t.store).state.history[0].train.loss == infinity);
}

TEST_CASE("the memory of another optimiser is left alone") {
  Trained t;
  const Checkpoint checkpoint = written(t);
  const auto sgd = make_optimizer(Sgd::Options{.momentum = 0.9}, t.store);
  CHECK(!restore_memory(checkpoint, *sgd));
}

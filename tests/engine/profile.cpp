// A profile: every call is seen, belongs to its layer, has its size, and changes no result.
#include "engine/run/profile.h"

#include <nlohmann/json.hpp>
#include <set>

#include "engine/train/train_step.h"
#include "models/catalogue.h"
#include "tests/catch.h"
#include "tests/engine/devices.h"
#include "tests/engine/tiny_network.h"

using namespace tessera;
using namespace tessera::test;
using Catch::Contains;

namespace {

std::vector<float> train(const std::shared_ptr<Device>& device, Profile* profile, std::int64_t accumulate = 1) {
  TinyNetwork network({.dropout = 0.5});
  ParameterStore store(network, device, 5);
  if (profile) profile->name(store);
  const auto optimizer = make_optimizer(Adam::Options{}, store);
  const ImageBatches source(DeviceImages::upload(tiny_images(32, 3), device), {});
  TrainStep step(network, store, *optimizer, source, {.seed = 1, .accumulate = accumulate});
  for (std::int64_t i = 0; i < 4; ++i) step.run({.step = i, .position = 8 * i, .learning_rate = {1e-3}}, 8);
  return store.values().to_host<float>();
}

const Profile::Sum& find(const std::vector<Profile::Sum>& sums, const std::string& slot, const std::string& layer) {
  for (const Profile::Sum& sum : sums)
    if (sum.slot == slot && sum.layer == layer) return sum;
  FAIL("no call of " << slot << " for " << layer);
  return sums.front();
}

}  // namespace

TEST_CASE("a profile sees the calls of a training by layer, with bytes and FLOP, and changes no bit of it") {
  for (const std::string& name : fast_backends()) {
    INFO(name);
    Profile profile;
    const auto real = Device::open({.device = name, .options = {.threads = 2}});
    const auto watched = Device::open({.device = name, .options = {.threads = 2}}, profile.in_front_of(real->backend()));
    CHECK(train(watched, &profile) == train(real, nullptr));

    const std::vector<Profile::Sum> sums = profile.sums();
    // 8 images of 8×8×3, six 3×3 filters, "same": 2·(8·8·8·6)·(3·3·3) a call.
    const bool at_once = static_cast<bool>(real->backend().conv2d_backward);  // bias and filters; the images need none
    const Profile::Sum& conv = find(sums, at_once ? "conv2d_backward" : "conv2d_backward_weights", "conv");
    CHECK(conv.calls == 4);
    CHECK(conv.flop == 4 * 2.0 * (8 * 8 * 8 * 6) * 27);
    CHECK(conv.bytes == 4 * 4.0 * (8 * 8 * 8 * 3 + 8 * 8 * 8 * 6 + 6 * 27 + (at_once ? 6 : 0)));
    CHECK_THAT(conv.shape, Contains("x[8,8,8,3] dy[8,8,8,6] dw[6,3,3,3]"));
    const Profile::Sum& head = find(sums, "matmul", "fc");
    CHECK(head.calls % 4 == 0);
    CHECK(head.flop / static_cast<double>(head.calls) == 2.0 * 8 * 96 * 4);
    find(sums, "batch_norm_backward", "bn");
    CHECK(find(sums, "max_pool_backward", "bn").calls == 4);  // of what the batch norm made
    find(sums, "gather_batch", Profile::input), find(sums, "adam_step", Profile::update);
    find(sums, "softmax_cross_entropy_forward", Profile::loss);

    const auto trace = nlohmann::json::parse(trace_json(profile, {}));
    std::set<std::string> steps;
    std::size_t slots = 0;
    double last = 0;
    for (const auto& event : trace.at("traceEvents")) {
      if (event.at("ph") != "X") continue;
      CHECK(event.at("dur").get<double>() >= 0);
      if (event.at("cat") == "step") steps.insert(event.at("name"));
      if (event.at("cat") != "slot") continue;
      ++slots;
      CHECK(event.at("ts").get<double>() >= last);
      last = event.at("ts").get<double>();
    }
    CHECK(steps == std::set<std::string>{"step 1", "step 2", "step 3", "step 4"});
    CHECK(slots == profile.calls().size());
    CHECK(static_cast<std::int64_t>(slots) == profile.count());
    CHECK_THAT(profile_table(profile, {.flops = 1e9, .bandwidth = [](double) { return 1e9; }}),
               Contains("conv2d_forward") && Contains(" %") && Contains("calls of kernels"));
  }
}

TEST_CASE("the trace tells the parts of a step from batches of an evaluation") {
  Profile profile;
  const auto real = Device::open({.device = "cpu", .options = {.threads = 1}});
  train(Device::open({.device = "cpu", .options = {.threads = 1}}, profile.in_front_of(real->backend())), &profile, 2);
  std::vector<std::string> steps;
  const auto trace = nlohmann::json::parse(trace_json(profile, {}));
  for (const auto& event : trace.at("traceEvents"))
    if (event.at("ph") == "X" && event.at("cat") == "step") steps.push_back(event.at("name"));
  CHECK(steps == std::vector<std::string>{"part of step 1", "step 1", "part of step 2", "step 2", "part of step 3", "step 3",
                                          "part of step 4", "step 4"});
}

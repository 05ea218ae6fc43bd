// bench_steps: images per second of whole steps of a network, training or inference, on images already in memory.
//
// With --serve it answers each line of standard input by timing one group of steps, so that a script can let it and a peer
// take turns on the same machine (bench/compare).
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <iostream>
#include <numeric>

#include "bench/timing.h"
#include "engine/train/run.h"
#include "engine/train/train_step.h"
#include "models/catalogue.h"

namespace {

using namespace tessera;

// A network with everything that a step needs, on random images.
class Workload {
 public:
  Workload(const NetworkEntry& entry, const std::shared_ptr<Device>& device, std::int64_t batch, bool train)
      : batch_(batch),
        train_(train),
        device_(device),
        network_(entry.make({})),
        parameters_(*network_, device, 1),
        optimizer_(make_optimizer(entry.recipe.optimizer, parameters_)),
        images_(DeviceImages::upload(random_images(batch), device), gather_params(entry.recipe.normalization, false, 1)),
        step_(*network_, parameters_, *optimizer_, images_, 1, 0),
        state_(device),
        learning_rate_(entry.recipe.optimizer.learning_rate) {}

  void run() {
    if (train_) {
      step_.run({.step = steps_++, .learning_rate = learning_rate_}, batch_);
    } else {
      state_.write({});
      const Batch batch = images_.draw(batch_, state_.device_pointer());
      network_->forward({}, batch.x);
    }
    device_->synchronize();
  }

 private:
  static ImageSet random_images(std::int64_t count) {
    ImageSet set{.count = count, .height = 32, .width = 32, .channels = 3};
    RandomStream random(1, Purpose::test, 1);
    for (std::int64_t i = 0; i < count * set.image_size(); ++i)
      set.pixels.push_back(static_cast<std::uint8_t>(random.below(256)));
    for (std::int64_t i = 0; i < count; ++i) set.labels.push_back(static_cast<std::int32_t>(random.below(10)));
    return set;
  }

  std::int64_t batch_;
  bool train_;
  std::shared_ptr<Device> device_;
  std::unique_ptr<Network> network_;
  ParameterStore parameters_;
  std::unique_ptr<Optimizer> optimizer_;
  BatchSource images_;
  TrainStep step_;
  StepStateBuffer state_;
  double learning_rate_;
  std::int64_t steps_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Times whole steps.", "bench_steps");
  std::string network, mode = "train", device_name = "cpu", conv = "auto";
  std::int64_t batch = 32;
  int threads = 0, group = 0;
  double seconds = 5;
  bool serve = false;
  app.add_option("NETWORK", network, "A network of the catalogue")->required();
  app.add_option("--mode", mode, "What to time")->check(CLI::IsMember({"train", "infer"}))->capture_default_str();
  app.add_option("--batch-size", batch, "Images per step")->capture_default_str();
  app.add_option("--device", device_name, "As of the programs")->capture_default_str();
  app.add_option("--conv", conv, "auto or direct")->check(CLI::IsMember({"auto", "direct"}))->capture_default_str();
  app.add_option("--threads", threads, "CPU threads; 0: all")->capture_default_str();
  app.add_option("--seconds", seconds, "How long to measure")->capture_default_str();
  app.add_option("--group", group, "Steps per timed group with --serve");
  app.add_flag("--serve", serve, "Time one group for each line on standard input");
  CLI11_PARSE(app, argc, argv);

  try {
    RunConfig config;
    config.device = device_name;
    config.threads = threads;
    config.direct_convolution = conv == "direct";
    Workload workload(require_network(network), open_device(config), batch, mode == "train");
    workload.run();
    if (serve) {
      workload.run();
      std::printf("ready\n");
      std::fflush(stdout);
      for (std::string line; std::getline(std::cin, line);) {
        const double start = bench::now();
        for (int i = 0; i < std::max(group, 1); ++i) workload.run();
        std::printf("%.9f\n", (bench::now() - start) / std::max(group, 1));
        std::fflush(stdout);
      }
      return 0;
    }
    const bench::Timing t = bench::measure([&] { workload.run(); }, seconds);
    std::printf("%s %s batch %lld: %.3f ms a step (%.3f to %.3f), %.0f images/s\n", network.c_str(), mode.c_str(),
                static_cast<long long>(batch), t.median * 1e3, t.fastest * 1e3, t.slowest * 1e3,
                static_cast<double>(batch) / t.median);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 1;
  }
  return 0;
}

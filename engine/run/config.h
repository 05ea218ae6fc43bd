// RunConfig: everything that a training run was asked for; config.json in its folder.
#pragma once

#include <optional>
#include <string>

#include "engine/nn/network.h"
#include "engine/train/recipe.h"

namespace tessera {

// A stretch of a run with an optimiser of its own. Epochs and steps are counted through all phases.
struct Phase {
  std::int64_t epochs = 1;
  double learning_rate = 0;  // the recipe's optimiser takes it
  bool frozen = false;       // only the head trains; batch norm runs in inference mode and keeps its running statistics
  bool validate = true;

  template <class F>
  void fields(F& f) {
    f("epochs", epochs, {.least = 0, .most = 1e9});
    f("learning_rate", learning_rate, {.least = 0, .most = 1e30});
    f("frozen", frozen);
    f("validate", validate);
  }
};

struct RunConfig {
  std::string network;
  NetworkOptions network_options;
  std::string data;
  std::string labels = {};    // of data that has several kinds; empty: the usual ones
  bool skip_damaged = false;  // damaged images are left out
  Recipe recipe;
  std::vector<Phase> phases = {};  // fine-tuning has two; empty: one of the recipe's epochs and learning rate

  std::string device = "auto";
  std::string kernels = "auto";  // auto | own | vendor
  int threads = 0;               // 0: as many as the process may use
  bool deterministic = false;
  bool direct_convolution = false;

  std::optional<std::int64_t> max_steps = {};
  std::optional<double> max_minutes = {};
  std::optional<std::int64_t> limit_train = {}, limit_test = {};
  std::string weights = {};           // start from these; empty: initial values
  bool new_head = false;              // of the weights, all but the head
  bool tensorboard = false;           // an event file beside history.csv
  bool shard_optimizer = false;       // each rank keeps its share of what the optimiser remembers
  std::optional<double> bucket = {};  // MB of gradients that ranks exchange at a time; none: by latency and bandwidth

  template <class F>
  void fields(F& f) {
    f("network", network);
    network_options.fields(f);
    f("data", data);
    f("labels", labels);
    f("skip_damaged", skip_damaged);
    f("recipe", recipe);
    f("phases", phases);
    f("device", device);
    f("kernels", kernels);
    f("threads", threads, {.help = "CPU threads; 0: as many as the process may use", .least = 0, .most = 1024});
    f("deterministic", deterministic);
    f("direct_convolution", direct_convolution);
    f("max_steps", max_steps, {.least = 1, .most = 1e15});
    f("max_minutes", max_minutes, {.least = 0, .most = 1e9, .above = true});
    f("limit_train", limit_train, {.least = 1, .most = 1e12});
    f("limit_test", limit_test, {.least = 1, .most = 1e12});
    f("weights", weights);
    f("new_head", new_head);
    f("tensorboard", tensorboard);
    f("shard_optimizer", shard_optimizer);
    f("bucket", bucket, {.least = 0, .most = 1e6, .above = true});
  }
};

// The run's phases, that one included which is not written down.
std::vector<Phase> phases_of(const RunConfig& config);

// With "version": of the format. Changing what a field means, or its name, takes a new one and a step in upgrade().
std::string to_json(const RunConfig& config);

// Also of files of older versions. WeightsError naming `where` and the field that is wrong, or of a newer version.
RunConfig parse_run_config(const std::string& json, const std::string& where);

// What differs, a field each: "recipe.epochs 5 → 8".
std::vector<std::string> differences(const RunConfig& before, const RunConfig& after);

}  // namespace tessera

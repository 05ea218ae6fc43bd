// RunConfig: everything that a training run was asked for; config.json in its folder.
#pragma once

#include <optional>
#include <string>

#include "engine/nn/network.h"
#include "engine/train/recipe.h"

namespace tessera {

struct RunConfig {
  std::string network;
  NetworkOptions network_options;
  std::string data;
  Recipe recipe;
  std::uint64_t seed = 1;

  std::string device = "auto";
  std::string kernels = "auto";    // auto | own | vendor
  std::string precision = "fp32";  // fp32 | tf32 | bf16
  int threads = 0;                 // 0: all
  bool deterministic = false;
  bool direct_convolution = false;

  std::optional<std::int64_t> max_steps;
  std::optional<double> max_minutes;
  std::optional<std::int64_t> limit_train, limit_test;
  std::string weights;  // start from these; empty: initial values
};

std::string to_json(const RunConfig& config);

// WeightsError naming `where` and the field that is missing or of another type.
RunConfig parse_run_config(const std::string& json, const std::string& where);

// The command line's words for enumerations, both ways; the reverse is a UsageError for other words.
const char* to_word(Normalization normalization);
const char* to_word(Precision precision);
Precision precision_of(const std::string& word);
Normalization normalization_of(const std::string& word);

}  // namespace tessera

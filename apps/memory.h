// summary --memory: how much memory a training and an inference will take.
#pragma once

#include <optional>
#include <string>

#include "apps/options.h"
#include "engine/run/console.h"

namespace tessera {

struct MemoryOptions {
  bool wanted = false;
  std::int64_t images = 50'000, test_images = 10'000;  // CIFAR-10's
  std::string limit;                                   // bytes, with a unit
};
// Also --batch-size, --device and --precision, which go into `compute`.
void add_memory_options(CLI::App& app, MemoryOptions& options, ComputeOptions& compute);

// Of config.network with config.recipe. UsageError where the limit is no number of bytes.
void print_memory(const RunConfig& config, const MemoryOptions& options, const Console& console);

}  // namespace tessera

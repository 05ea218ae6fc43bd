// A small training run, whose checkpoint the fuzzer of resumed runs begins with.
#pragma once

#include <filesystem>

#include "engine/run/run.h"

namespace tessera::fuzz {

const std::shared_ptr<Device>& device();  // the CPU, one thread

// A few images of noise, of two classes.
Dataset small_dataset(const Shape& image);

RunConfig small_config();

// Trains in `folder`, or goes on in it where `resumed` holds its configuration.
void small_run(const std::filesystem::path& folder, const RunConfig& config, const std::optional<RunConfig>& resumed = {});

}  // namespace tessera::fuzz

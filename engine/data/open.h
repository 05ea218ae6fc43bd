// Opening any data set that the programs accept: a table with one row per format.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

#include "engine/data/dataset.h"

namespace tessera {

struct OpenOptions {
  std::uint64_t seed = 0;  // of generated data
  std::int64_t synthetic_train = 2000, synthetic_test = 500;
  const std::atomic<bool>* stop = nullptr;  // polled while loading; once true: Interrupted
};

struct DatasetFormat {
  const char* name;
  const char* looks_like;  // what recognises() looks for, for people
  bool (*recognises)(const std::filesystem::path& path);
  Dataset (*open)(const std::filesystem::path& path, const OpenOptions& options);
};
std::span<const DatasetFormat> dataset_formats();

// A path, or the word "synthetic". Anything missing or broken is a DataError: what, where, what was looked for.
Dataset open_dataset(const std::string& data, const OpenOptions& options = {});

// For readers: throws Interrupted when the flag is set.
void poll(const OpenOptions& options);

}  // namespace tessera

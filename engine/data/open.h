// Opening any data set that the programs accept: a table with one row per format.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>

#include "engine/data/dataset.h"

namespace tessera {

// What a reader tells while it loads.
struct Loading {
  std::int64_t done = 0, images = 0;  // images loaded, of so many
  std::uint64_t bytes = 0;            // of memory that all of them take
};

struct OpenOptions {
  std::uint64_t seed = 0;  // of generated data
  std::int64_t synthetic_train = 2000, synthetic_test = 500;
  std::int64_t image_size = 0;    // side of the square that images are brought to; 0: their own size
  std::int64_t channels = 3;      // that images are brought to: 1 (grey) or 3 (red, green, blue)
  std::int64_t default_size = 0;  // the same for data that has no one size, and for small grey images; 0: an error asks
  std::string labels = {};        // of data that has several kinds ("fine", "coarse"); empty: the usual ones
  bool skip_damaged = false;      // damaged images are left out with a warning, in place of an error
  const std::atomic<bool>* stop = nullptr;              // polled while loading; once true: Interrupted
  std::function<void(const Loading&)> on_loading = {};  // first with done = 0, before the memory is taken
};

struct DatasetFormat {
  const char* name;
  const char* looks_like;  // what recognises() looks for, for people
  bool (*recognises)(const std::filesystem::path& path);
  Dataset (*open)(const std::filesystem::path& path, const OpenOptions& options);
  bool has_kinds_of_labels = false;  // open() heeds options.labels
};
std::span<const DatasetFormat> dataset_formats();
const DatasetFormat* format_of(const std::filesystem::path& path);  // null where none recognises it

// A path, or the word "synthetic". A folder that holds one data set in a folder of its own is taken for that, with a
// warning. Images are brought to options.image_size and options.channels whatever the format. Anything missing or broken is a DataError: what,
// where, what was looked for, and what was seen in its place.
Dataset open_dataset(const std::string& data, const OpenOptions& options = {});

// For readers: throws Interrupted when the flag is set.
void poll(const OpenOptions& options);
void report(const OpenOptions& options, const Loading& loading);

}  // namespace tessera

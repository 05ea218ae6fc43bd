// How programs open the data that they are given, and what they tell of it.
#pragma once

#include <string>

#include "engine/data/open.h"
#include "engine/run/config.h"
#include "engine/run/console.h"

namespace CLI {
class App;
}

namespace tessera {

// Images have this side where neither the data nor the command line says another.
inline constexpr std::int64_t usual_image_size = 32;

// What the command line says of data.
struct DataOptions {
  std::string labels;
  bool skip_damaged = false;

  void apply(OpenOptions& options) const;
  void apply(RunConfig& config) const;
};
void add_data_options(CLI::App& app, DataOptions& options);  // --labels, --skip-damaged

// open_dataset, with warnings on the console, the memory that the images will take before it is taken, and progress.
Dataset open_data(const std::string& data, OpenOptions options, const Console& console);

}  // namespace tessera

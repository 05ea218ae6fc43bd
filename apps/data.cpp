#include "apps/data.h"

#include <CLI/CLI.hpp>
#include <chrono>

#include "engine/core/device.h"
#include "engine/report/text.h"

namespace tessera {
namespace {

constexpr double seconds_between_draws = 0.1, seconds_between_lines = 5;

// Tells how far a reader has come: in place on a terminal, line by line elsewhere.
class LoadingProgress {
 public:
  explicit LoadingProgress(const Console& console) : console_(console) {}
  ~LoadingProgress() {
    if (drawn_) draw("");
  }
  LoadingProgress(const LoadingProgress&) = delete;
  LoadingProgress& operator=(const LoadingProgress&) = delete;

  void tell(const Loading& loading) {
    if (loading.done == 0) {
      console_.note("loading  " + with_thousands(loading.images) + " images, " + format_bytes(loading.bytes) + " in memory");
      return;
    }
    const auto now = Clock::now();
    const double since = std::chrono::duration<double>(now - last_).count();
    const std::string line =
        "loading  " + with_thousands(loading.done) + " of " + with_thousands(loading.images) + " images";
    if (console_.interactive() && since >= seconds_between_draws)
      draw(line), drawn_ = true, last_ = now;
    else if (!console_.interactive() && since >= seconds_between_lines)
      console_.note(line), last_ = now;
  }

 private:
  static void draw(const std::string& line) { std::fprintf(stderr, "\r\033[K%s", line.c_str()); }

  using Clock = std::chrono::steady_clock;
  const Console& console_;
  Clock::time_point last_ = Clock::now();
  bool drawn_ = false;
};

}  // namespace

void DataOptions::apply(OpenOptions& options) const {
  if (!labels.empty()) options.labels = labels;
  if (skip_damaged) options.skip_damaged = true;
}

void DataOptions::apply(RunConfig& config) const {
  if (!labels.empty()) config.labels = labels;
  if (skip_damaged) config.skip_damaged = true;
}

void add_data_options(CLI::App& app, DataOptions& o) {
  const char* group = "Data";
  app.add_option("--labels", o.labels, "Which of a data set's kinds of labels (CIFAR-100: fine, coarse)")
      ->default_str("its usual ones")
      ->group(group);
  app.add_flag("--skip-damaged", o.skip_damaged, "Leave out images that cannot be read, with a warning")->group(group);
}

Dataset open_data(const std::string& data, OpenOptions options, const Console& console) {
  LoadingProgress progress(console);
  options.on_loading = [&](const Loading& loading) { progress.tell(loading); };
  Dataset dataset = open_dataset(data, options);
  for (const std::string& warning : dataset.warnings) console.warn(warning);
  dataset.warnings.clear();
  return dataset;
}

}  // namespace tessera

#include "apps/training.h"

#include <ctime>
#include <exception>

#include "apps/data.h"
#include "apps/profiling.h"
#include "engine/data/image_folder.h"
#include "engine/files/csv.h"
#include "engine/files/weights_file.h"
#include "engine/report/text.h"
#include "engine/run/find_rate.h"
#include "models/saved_network.h"

namespace tessera {
namespace fs = std::filesystem;

fs::path new_run_folder(const std::string& name) {
  const std::time_t now = std::time(nullptr);
  char stamp[32];
  std::strftime(stamp, sizeof stamp, "%Y%m%d-%H%M%S", std::localtime(&now));
  make_folder("runs", ExitCode::weights, system_calls);
  const std::string base = "runs/" + name + "-" + stamp;
  fs::path folder = base;
  std::error_code error;
  for (int i = 2; !fs::create_directory(folder, error) && !error; ++i) folder = base + "-" + std::to_string(i);
  if (error) throw WeightsError(folder.string() + ": cannot be made: " + error.message());
  return folder;
}

std::string remembered_path(const std::string& given) {
  std::error_code ignored;
  return fs::exists(given, ignored) ? fs::absolute(given, ignored).string() : given;
}

namespace {

// The classes of the weights that a run begins with, or of its own where a resumed one is given other data.
std::vector<std::string> known_classes(const RunRequest& request) {
  const fs::path own = request.folder / "best.safetensors";
  std::error_code ignored;
  if (request.resumed)
    return request.new_data && fs::exists(own, ignored) ? class_names_of(read_weights(own)) : std::vector<std::string>();
  const RunConfig& config = request.config;
  if (config.weights.empty() || config.new_head) return {};
  return class_names_of(read_weights(config.weights));
}

void require_beside_images(const RunRequest& request) {
  const fs::path& data = request.config.data;
  if (request.resumed || !is_image_folder(data)) return;
  const fs::path run = request.folder.empty() ? fs::path("runs") : request.folder;
  std::error_code ignored;
  const fs::path inside =
      fs::weakly_canonical(fs::absolute(run), ignored).lexically_relative(fs::weakly_canonical(data, ignored));
  if (std::distance(inside.begin(), inside.end()) > 1 && *inside.begin() != "..")
    throw UsageError(run.string() + ": lies among the images of " + data.string() +
                     ", where the next training would take it for a class; give an --out elsewhere");
}

}  // namespace

Dataset open_for(const RunRequest& request, const SignalFlags& signals, const Console& console) {
  const RunConfig& config = request.config;
  require_beside_images(request);
  const std::unique_ptr<Network> network = require_network(config.network).make(config.network_options);
  return open_data(config.data,
                   {.seed = config.recipe.seed,
                    .image_size = network->input()[0],
                    .channels = network->input()[2],
                    .labels = config.labels,
                    .skip_damaged = config.skip_damaged,
                    .stop = signals.stop()},
                   console);
}

RunConfig read_run_config(const fs::path& folder, const Ranks& ranks) {
  std::string text;
  if (ranks.first()) text = to_json(read_run_config(folder));
  broadcast(ranks.communicator, text);
  return parse_run_config(text, "rank 0's config.json");
}

int run_and_report(RunRequest request, Dataset&& dataset, const Ranks& ranks, const Console& console, SignalFlags& signals,
                   const std::string& folder_name, const std::string& program, const std::string& profile) {
  request.ranks = &ranks.communicator;
  request.stop = signals.stop();
  request.save = signals.save();
  std::optional<Profiling> profiling;
  if (!profile.empty()) profiling.emplace(profile);
  std::shared_ptr<Device> device;
  const auto report_profile = [&] {
    if (profiling && device) profiling->report(*device, console);
  };
  const auto stopped = [&](int code) {
    report_profile();
    if (ranks.first() && fs::exists(request.folder / "config.json"))  // else nothing had begun
      console.note("stopped; go on with: " + program + " --resume " + request.folder.string());
    return code;
  };
  try {
    const Seat seat = take_seat(ranks.communicator);
    device = profiling ? open_device(request.config, profiling->profile()) : open_device(request.config, seat);
    if (profiling) request.profile = &profiling->profile();
    const std::unique_ptr<Network> network = require_network(request.config.network).make(request.config.network_options);
    if (ranks.first()) request.known_classes = known_classes(request);
    broadcast(ranks.communicator, request.known_classes);
    if (ranks.first() && request.folder.empty()) request.folder = new_run_folder(folder_name);
    std::string folder = request.folder.string();
    broadcast(ranks.communicator, folder);
    request.folder = folder;
    const RunResult result = run_training(request, *network, std::move(dataset), device, console);
    if (result.end == FitEnd::stopped) return stopped(signals.exit_code());
    // The results are told in any case; the last line on standard output is the test's.
    std::exception_ptr no_profile;
    try {
      report_profile();
    } catch (...) {
      no_profile = std::current_exception();
    }
    console.result("results in " + request.folder.string());
    if (result.average_test) {
      console.result("ema: " + test_line(*result.average_test).substr(std::string("test: ").size()));
      console.object(average_json(*result.average_test));
    }
    if (result.test) {
      console.result(test_line(*result.test));
      console.object(evaluation_json(*result.test));
    }
    if (no_profile) std::rethrow_exception(no_profile);
    return 0;
  } catch (const Interrupted&) {
    return stopped(signals.exit_code());
  } catch (const WeightsError& error) {
    const int code = SignalFlags::failed_write();
    if (code == 0) throw;
    if (ranks.communicator.size() > 1) throw Error(static_cast<ExitCode>(code), error.what());  // the others end too
    console.warn(error.what());
    return stopped(code);
  }
}

int find_rate_and_report(RunRequest request, Dataset&& dataset, const Console& console, SignalFlags& signals) {
  request.stop = signals.stop();
  try {
    const std::shared_ptr<Device> device = open_device(request.config);
    const std::unique_ptr<Network> network = require_network(request.config.network).make(request.config.network_options);
    request.known_classes = known_classes(request);
    if (request.folder.empty()) request.folder = new_run_folder("find-lr-" + request.config.network);
    const RateSweep sweep = find_rate(request, *network, std::move(dataset), device, console);
    console.result("the curve is in " + (request.folder / "report.html").string());
    console.result("find-lr: try --lr " + csv_number(sweep.suggestion) + " (the loss is lowest at " +
                   two_digits(sweep.best) + ")");
    console.object(sweep_json(sweep));
    return 0;
  } catch (const Interrupted&) {
    return signals.exit_code();
  }
}

}  // namespace tessera

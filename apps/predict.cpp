// predict WEIGHTS IMAGE...: what a network sees in photos, or (WEIGHTS DATA --index N) in an image of a test set.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <numeric>

#include "apps/options.h"
#include "apps/program.h"
#include "apps/signals.h"
#include "apps/values.h"
#include "apps/verbs.h"
#include "engine/data/open.h"
#include "engine/image/decode.h"
#include "engine/image/resize.h"
#include "engine/report/text.h"
#include "engine/run/run.h"
#include "models/saved_network.h"

namespace {

using namespace tessera;
using Json = nlohmann::ordered_json;
namespace fs = std::filesystem;

constexpr std::int64_t side = 32, channels = 3;

// What is predicted on: images, and for people what each of them is.
struct Subjects {
  ImageSet images{.count = 0, .height = side, .width = side, .channels = channels};
  std::vector<std::string> names = {}, true_classes = {};  // the latter empty for photos
};

Subjects read_photos(const std::vector<std::string>& paths, const std::atomic<bool>* stop) {
  Subjects subjects;
  for (const std::string& path : paths) {
    if (stop->load()) throw Interrupted("stopped while reading photos");
    std::error_code ignored;
    if (path == "synthetic" || fs::is_directory(path, ignored))
      throw UsageError(path + " is a data set: say which image of its test set by --index N");
    const Image photo = resize_bicubic(read_image(path), side, side);
    subjects.images.pixels.insert(subjects.images.pixels.end(), photo.pixels.begin(), photo.pixels.end());
    subjects.images.labels.push_back(0);  // not known, and not used
    ++subjects.images.count;
    subjects.names.push_back(path);
  }
  return subjects;
}

Subjects pick_test_image(const Dataset& data, std::int64_t index) {
  const std::int64_t places[] = {index};
  Subjects subjects{.images = pick(data.test, places), .names = {"test image " + std::to_string(index)}};
  const auto label = static_cast<std::size_t>(std::exchange(subjects.images.labels[0], 0));
  subjects.true_classes = {label < data.classes.size() ? data.classes[label] : std::to_string(label)};
  return subjects;
}

// Names of the outputs: the file's own, numbers beyond them.
std::vector<std::string> class_names(const Safetensors& file, std::int64_t classes) {
  std::vector<std::string> names;
  if (const auto found = file.metadata().find("classes"); found != file.metadata().end() && !found->second.empty()) {
    std::istringstream list(found->second);
    for (std::string name; std::getline(list, name, ',');) {
      const std::string quoted = printable(name);  // a name is foreign text
      names.push_back(quoted.substr(1, quoted.size() - 2));
    }
  }
  for (auto i = static_cast<std::int64_t>(names.size()); i < classes; ++i) names.push_back(std::to_string(i));
  names.resize(static_cast<std::size_t>(classes));
  return names;
}

// Softmax of the logits, or with one output the sigmoid: classes 0 and 1 then have 1 − p and p.
std::vector<double> probabilities(std::span<const float> logits) {
  if (logits.size() == 1) {
    const double z = logits[0];
    return {1 / (1 + std::exp(z)), 1 / (1 + std::exp(-z))};
  }
  const double largest = *std::max_element(logits.begin(), logits.end());
  std::vector<double> p;
  for (const float z : logits) p.push_back(std::exp(z - largest));
  const double sum = std::accumulate(p.begin(), p.end(), 0.0);
  for (double& value : p) value /= sum;
  return p;
}

std::vector<float> logits_of(SavedNetwork& saved, const RunConfig& config, const ImageSet& images,
                             const std::shared_ptr<Device>& device, const std::atomic<bool>* stop) {
  const ImageBatches source(DeviceImages::upload(images, device), gather_params(config.recipe.normalization, false, 0));
  const std::vector<float> logits = predict(*saved.network, source, std::min(config.recipe.batch_size, images.count), stop);
  for (const float z : logits)
    if (!std::isfinite(z)) throw NonFiniteError("the network's outputs are not finite: these weights are of no use");
  return logits;
}

void report(const Subjects& subjects, std::size_t n, std::span<const float> logits, const std::vector<std::string>& names,
            std::int64_t top, const Console& console) {
  const std::vector<double> p = probabilities(logits);
  std::vector<std::size_t> order(p.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return p[a] > p[b]; });
  // The class is the largest logit (the lowest on ties), also where probabilities round to the same number.
  const std::size_t predicted =
      logits.size() == 1 ? std::size_t{logits[0] > 0}
                         : static_cast<std::size_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
  order.resize(std::min(order.size(), static_cast<std::size_t>(top)));

  const bool known = !subjects.true_classes.empty();
  console.result(subjects.names[n] + ": " +
                 (known ? "true " + subjects.true_classes[n] + ", predicted " + names[predicted] : names[predicted]));
  std::vector<std::vector<std::string>> rows;
  Json best = Json::array();
  for (const std::size_t label : order) {
    rows.push_back({" ", names[label], format_fixed(p[label], 4), progress_bar(std::llround(p[label] * 1000), 1000, 24)});
    best.push_back({{"label", label}, {"class", names[label]}, {"probability", p[label]}});
  }
  std::string table = format_table(rows, "llrl");
  table.pop_back();  // its line end: result() adds one
  console.result(table);
  Json object = {{"image", subjects.names[n]},
                 {"label", predicted},
                 {"class", names[predicted]},
                 {"probability", p[predicted]},
                 {"top", best}};
  if (known) object["true_class"] = subjects.true_classes[n];
  console.object(object.dump(-1, ' ', false, Json::error_handler_t::replace));
}

}  // namespace

int tessera::predict_main(int argc, char** argv) {
  CLI::App app("Says what photos show, or an image of a data set's test set (--index).");
  ComputeOptions options;
  OutputOptions output;
  std::string weights, network_id;
  std::vector<std::string> paths;
  std::int64_t top = 5, index = -1;
  app.add_option("WEIGHTS", weights, "A .safetensors file")->required();
  app.add_option("IMAGE", paths, "PNG or JPEG photos of any size; with --index: a data set")->required();
  app.add_option("--index", index, "Predict this image of the test set")
      ->check(number<std::int64_t>({.least = 0}))
      ->default_str("none");
  app.add_option("--top", top, "How many of the likeliest classes to print")
      ->check(number<std::int64_t>({.least = 1, .most = 1e6}))
      ->capture_default_str();
  app.add_option("--network", network_id, "For weights of another program: which network they are of")
      ->default_str("the file's");
  add_network_options(app, options);
  RunConfig defaults;
  defaults.recipe.batch_size = 128;
  add_compute_options(app, options, defaults);
  add_output_options(app, output);

  return run_program(app, argc, argv, [&]() -> int {
    SignalFlags signals;
    const Console console(output.verbosity());
    try {
      if (index >= 0 && paths.size() != 1) throw UsageError("--index goes with one data set");
      const Safetensors file = Safetensors::read(weights);
      RunConfig config = config_of(file, network_id);
      config.recipe.batch_size = defaults.recipe.batch_size;
      options.apply(config);

      Subjects subjects;
      if (index >= 0) {
        const Dataset data = open_dataset(paths[0], {.seed = config.recipe.seed, .stop = signals.stop()});
        for (const std::string& warning : data.warnings) console.warn(warning);
        subjects = pick_test_image(data, index);
      } else {
        subjects = read_photos(paths, signals.stop());
      }
      const std::shared_ptr<Device> device = open_device(config);
      SavedNetwork saved = load_network(file, config, device);
      for (const std::string& note : saved.notes) console.note(note);
      console.note("device   " + device->choice());

      const std::vector<float> logits = logits_of(saved, config, subjects.images, device, signals.stop());
      const std::size_t outputs = static_cast<std::size_t>(saved.network->outputs());
      const std::vector<std::string> names = class_names(file, std::max<std::int64_t>(2, saved.network->outputs()));
      for (std::size_t n = 0; n < subjects.names.size(); ++n)
        report(subjects, n, std::span(logits).subspan(n * outputs, outputs), names, top, console);
      return 0;
    } catch (const Interrupted&) {
      return signals.exit_code();
    }
  });
}

// predict WEIGHTS IMAGE...: what a network sees in photos, or (WEIGHTS DATA --index N) in an image of a test set.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <numeric>

#include "apps/data.h"
#include "apps/options.h"
#include "apps/program.h"
#include "apps/signals.h"
#include "apps/values.h"
#include "apps/verbs.h"
#include "engine/data/image_folder.h"
#include "engine/image/decode.h"
#include "engine/report/text.h"
#include "engine/run/answers.h"
#include "engine/run/run.h"
#include "models/saved_network.h"

namespace {

using namespace tessera;
using Json = nlohmann::ordered_json;
namespace fs = std::filesystem;

// What is predicted on: images, and for people what each of them is.
struct Subjects {
  ImageSet images = {};
  std::vector<std::string> names = {}, true_classes = {};  // the latter empty for photos
};

Subjects pick_test_image(const Dataset& data, std::int64_t index) {
  const std::int64_t places[] = {index};
  Subjects subjects{.images = pick(data.test, places), .names = {"test image " + std::to_string(index)}};
  const auto label = static_cast<std::size_t>(std::exchange(subjects.images.labels[0], 0));
  subjects.true_classes = {label < data.classes.size() ? data.classes[label] : std::to_string(label)};
  return subjects;
}

// Reads photos a few at a time. A bad one is reported and does not keep the others from being answered.
class Photos {
 public:
  Photos(const std::vector<std::string>& given, std::int64_t side, const Console& console, const std::atomic<bool>* stop)
      : side_(side), console_(console), stop_(stop) {
    std::error_code ignored;
    for (const std::string& path : given)
      if (path == "synthetic" || (fs::is_directory(path, ignored) && format_of(path) != nullptr))
        throw UsageError(path + " is a data set: say which image of its test set by --index N");
    alone_ = given.size() == 1 && !fs::is_directory(given[0], ignored);
    for (const std::string& path : given) attempt(path, [&] { gather(path); });
  }

  bool done() const { return next_ == paths_.size(); }

  Subjects read(std::int64_t most) {
    Subjects subjects{.images{.height = side_, .width = side_, .channels = 3}};
    for (; next_ < paths_.size() && subjects.images.count < most; ++next_)
      attempt(paths_[next_], [&] { append(paths_[next_], subjects); });
    return subjects;
  }

  // DataError where a photo was bad.
  void finish() const {
    if (failed_.empty()) return;
    throw DataError(alone_ ? failed_[0]
                           : std::to_string(failed_.size()) + " of " + std::to_string(answered_ + failed_.size()) +
                                 " could not be read; they are named above");
  }

 private:
  void gather(const std::string& path) {
    std::error_code ignored;
    const fs::file_status status = fs::status(path, ignored);
    if (!fs::is_directory(status)) {
      paths_.push_back(path);
      return;
    }
    const ImageFiles files = image_files(path, {.stop = stop_});
    if (files.images.empty()) throw DataError(path + ": a folder without photos; .png, .jpg and .jpeg are read");
    if (files.others > 0)
      console_.warn(path + ": " + std::to_string(files.others) + " files that are neither .png nor .jpg were left out");
    for (const fs::path& image : files.images) paths_.push_back(image.string());
  }

  void append(const std::string& path, Subjects& subjects) {
    const ResizedImage photo = read_resized(path, side_, side_, stop_);
    if (!photo.keeps_aspect() && !std::exchange(told_of_aspect_, true))
      console_.note("photos are resized to " + std::to_string(side_) + "x" + std::to_string(side_) +
                    ", which changes their aspect ratio");
    subjects.images.pixels.insert(subjects.images.pixels.end(), photo.image.pixels.begin(), photo.image.pixels.end());
    subjects.images.labels.push_back(0);  // not known, and not used
    ++subjects.images.count;
    subjects.names.push_back(path);
    ++answered_;
  }

  template <class Action>
  void attempt(const std::string& path, const Action& action) {
    if (stop_->load()) throw Interrupted("stopped while reading photos");
    try {
      action();
    } catch (const DataError& error) {
      failed_.push_back(error.what());
      if (!alone_) console_.warn(error.what());  // else finish() throws it
      console_.object(Json{{"image", path}, {"error", error.what()}}.dump(-1, ' ', false, Json::error_handler_t::replace));
    }
  }

  std::int64_t side_;
  const Console& console_;
  const std::atomic<bool>* stop_;
  std::vector<std::string> paths_, failed_;
  std::size_t next_ = 0, answered_ = 0;
  bool alone_ = false;  // one photo is all there is
  bool told_of_aspect_ = false;
};

std::vector<float> logits_of(SavedNetwork& saved, const RunConfig& config, const ImageSet& images,
                             const std::shared_ptr<Device>& device, const std::atomic<bool>* stop) {
  const ImageBatches source(DeviceImages::upload(images, device),
                            gather_params(config.recipe.normalization, Augmentation::none, 0));
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
  DataOptions data_options;
  OutputOptions output;
  std::string weights, network_id;
  std::vector<std::string> paths;
  std::int64_t top = 5, index = -1;
  app.add_option("WEIGHTS", weights, "A .safetensors file")->required();
  app.add_option("IMAGE", paths, "PNG or JPEG photos of any size, and folders of them; with --index: a data set")
      ->required();
  app.add_option("--index", index, "Predict this image of the test set")
      ->check(number<std::int64_t>({.least = 0}))
      ->default_str("none");
  app.add_option("--top", top, "How many of the likeliest classes to print")
      ->check(number<std::int64_t>({.least = 1, .most = 1e6}))
      ->capture_default_str();
  app.add_option("--network", network_id, "For weights of another program: which network they are of")
      ->default_str("the file's");
  add_data_options(app, data_options);
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

      const std::shared_ptr<Device> device = open_device(config);
      SavedNetwork saved = load_network(file, config, device);
      for (const std::string& note : saved.notes) console.note(note);
      console.note("device   " + device->choice());
      const std::int64_t side = saved.network->input()[0];
      const std::size_t outputs = static_cast<std::size_t>(saved.network->outputs());
      const std::vector<std::string> names = output_names(class_names_of(file), classes_of(saved.network->outputs()));
      const auto answer = [&](const Subjects& subjects) {
        if (subjects.images.count == 0) return;
        const std::vector<float> logits = logits_of(saved, config, subjects.images, device, signals.stop());
        for (std::size_t n = 0; n < subjects.names.size(); ++n)
          report(subjects, n, std::span(logits).subspan(n * outputs, outputs), names, top, console);
      };
      if (index >= 0) {
        OpenOptions open{.seed = config.recipe.seed, .image_size = side, .stop = signals.stop()};
        data_options.apply(open);
        answer(pick_test_image(open_data(paths[0], open, console), index));
        return 0;
      }
      Photos photos(paths, side, console, signals.stop());
      while (!photos.done()) answer(photos.read(config.recipe.batch_size));
      photos.finish();
      return 0;
    } catch (const Interrupted&) {
      return signals.exit_code();
    }
  });
}

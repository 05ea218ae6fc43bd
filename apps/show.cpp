// show DATA: what a data set holds: shapes, images per class, and a picture of labelled images; or one image's values.
#include <CLI/CLI.hpp>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "apps/data.h"
#include "apps/options.h"
#include "apps/program.h"
#include "apps/signals.h"
#include "apps/values.h"
#include "apps/verbs.h"
#include "engine/files/output.h"
#include "engine/image/resize.h"
#include "engine/report/image_grid.h"
#include "engine/report/png.h"
#include "engine/report/text.h"
#include "engine/run/config.h"
#include "engine/train/batches.h"

namespace {

using namespace tessera;
using Json = nlohmann::ordered_json;

constexpr int most_in_grid = 1024;
constexpr double largest_in_grid = 160;  // pixels along a side

std::string shapes_line(const char* name, const ImageSet& set) {
  const std::string count = std::to_string(set.count);
  return std::string(name) + "  images (" + count + ", " + std::to_string(set.height) + ", " + std::to_string(set.width) +
         ", " + std::to_string(set.channels) + "), labels (" + count + ", 1)";
}

std::string counts_table(const Dataset& data) {
  const auto classes = static_cast<std::int64_t>(data.classes.size());
  const std::vector<std::int64_t> train = class_counts(data.train, classes), test = class_counts(data.test, classes);
  std::vector<std::vector<std::string>> rows = {{"label", "class", "train", "test"}, {}};
  for (std::size_t i = 0; i < data.classes.size(); ++i)
    rows.push_back({std::to_string(i), data.classes[i], with_thousands(train[i]), with_thousands(test[i])});
  rows.push_back({});
  rows.push_back({"", "all", with_thousands(data.train.count), with_thousands(data.test.count)});
  return "\n" + format_table(rows, "rlrr");
}

std::string name_of_label(const Dataset& data, std::int32_t label) {
  return static_cast<std::size_t>(label) < data.classes.size() ? data.classes[static_cast<std::size_t>(label)]
                                                               : std::to_string(label);
}

// Rows of pixels as NumPy prints an array of [height, width, 3].
std::string values_text(const ImageSet& set, std::int64_t index) {
  const std::uint8_t* value = set.image(index).data();
  std::string text;
  for (std::int64_t y = 0; y < set.height; ++y) {
    text += y == 0 ? "[[" : "\n\n [";
    for (std::int64_t x = 0; x < set.width; ++x) {
      text += x == 0 ? "[" : "\n  [";
      for (std::int64_t c = 0; c < set.channels; ++c) {
        const std::string number = std::to_string(*value++);
        text += (c ? " " : "") + std::string(3 - number.size(), ' ') + number;
      }
      text += "]";
    }
    text += "]";
  }
  return text + "]";
}

Json values_json(const ImageSet& set, std::int64_t index) {
  const std::uint8_t* value = set.image(index).data();
  Json rows = Json::array();
  for (std::int64_t y = 0; y < set.height; ++y) {
    Json row = Json::array();
    for (std::int64_t x = 0; x < set.width; ++x, value += set.channels)
      row.push_back(std::vector<int>(value, value + set.channels));
    rows.push_back(std::move(row));
  }
  return rows;
}

Json counts_json(const Dataset& data) {
  const auto classes = static_cast<std::int64_t>(data.classes.size());
  const std::vector<std::int64_t> train = class_counts(data.train, classes), test = class_counts(data.test, classes);
  Json rows = Json::array();
  for (std::size_t i = 0; i < data.classes.size(); ++i)
    rows.push_back({{"label", i}, {"class", data.classes[i]}, {"train", train[i]}, {"test", test[i]}});
  return rows;
}

std::string to_text(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

void show_image(const Dataset& data, const ImageSet& set, const std::string& split, std::int64_t index,
                const Console& console) {
  if (index >= set.count)
    throw UsageError("--index " + std::to_string(index) + ": the " + split + " set has " + std::to_string(set.count) +
                     " images, 0 to " + std::to_string(set.count - 1));
  const std::int32_t label = set.labels[static_cast<std::size_t>(index)];
  console.result(values_text(set, index));
  console.result(split + " image " + std::to_string(index) + ": label " + std::to_string(label) + " (" +
                 name_of_label(data, label) + ")");
  console.object(to_text({{"split", split},
                          {"index", index},
                          {"label", label},
                          {"class", name_of_label(data, label)},
                          {"values", values_json(set, index)}}));
}

// The first images, no larger than a picture of many can show them.
ImageSet thumbnails(const ImageSet& set, std::int64_t count) {
  const double shrink = std::min(1.0, largest_in_grid / static_cast<double>(std::max(set.height, set.width)));
  const auto scaled = [&](std::int64_t extent) {
    return std::max<std::int64_t>(1, std::llround(shrink * static_cast<double>(extent)));
  };
  ImageSet small = slice(set, 0, count);
  if (shrink == 1) return small;
  small.height = scaled(set.height), small.width = scaled(set.width);
  small.pixels.clear();
  for (std::int64_t n = 0; n < count; ++n) {
    const auto from = set.image(n);
    const Image image = resize_bicubic({.height = set.height, .width = set.width, .pixels = {from.begin(), from.end()}},
                                       small.height, small.width);
    small.pixels.insert(small.pixels.end(), image.pixels.begin(), image.pixels.end());
  }
  return small;
}

// The first images as training would see them in its first epoch, were they drawn in file order.
ImageSet augmented(const ImageSet& set, std::int64_t count, const Augmentation& augment, std::uint64_t seed) {
  const std::shared_ptr<Device> device = Device::open({.device = "cpu"});
  const ImageBatches source(DeviceImages::upload(set, device), Normalization::none, augment, seed);
  StepStateBuffer state(device);
  state.write({});
  const std::vector<float> pixels = source.draw(count, state.device_pointer()).x.to_host<float>();
  ImageSet seen = set;
  for (std::size_t i = 0; i < pixels.size(); ++i) seen.pixels[i] = static_cast<std::uint8_t>(std::lround(pixels[i] * 255));
  return seen;
}

}  // namespace

int tessera::show_main(int argc, char** argv) {
  CLI::App app("Shows what a data set holds.");
  OutputOptions output;
  std::string data_path, out = "show.png", split = "train";
  std::int64_t count = 25, index = -1, image_size = 0;
  DataOptions data_options;
  std::string augment;
  RunConfig defaults;
  std::uint64_t& seed = defaults.recipe.seed;  // as training has it, so that the same images are generated
  app.add_option("DATA", data_path, data_help())->required();
  app.add_option("--out", out, "The picture, a PNG; -: to standard output")->check(png_name())->capture_default_str();
  app.add_option("--split", split, "Which images")->check(one_of({"train", "test"}))->capture_default_str();
  app.add_option("--count", count, "Images in the picture, the first ones")
      ->check(number<std::int64_t>({.least = 1, .most = most_in_grid}))
      ->capture_default_str();
  app.add_option("--index", index, "Print the values and the label of this image instead")
      ->check(number<std::int64_t>({.least = 0}))
      ->default_str("none");
  // Without a word CLI11 says "true", or repeats the default.
  const CLI::Validator standard{[](std::string& text) {
                                  if (text == "true" || text == "as they are") text = "standard";
                                  return std::string();
                                },
                                ""};
  app.add_option("--augment", augment, "The pictures as training with --augment of these words sees them; without: standard")
      ->expected(0, 1)
      ->transform(standard)
      ->check(augmentation_words())
      ->default_str("as they are")
      ->excludes("--index");
  app.add_option("--seed", seed, "Of synthetic data and augmentation")
      ->check(number<std::uint64_t>())
      ->capture_default_str();
  app.add_option("--image-size", image_size, "Bring images to this many pixels a side")
      ->check(number<std::int64_t>({.least = 1, .most = 4096}))
      ->default_str("their own size; 32 where they have several, and for small grey images")
      ->group("Data");
  add_data_options(app, data_options);
  add_output_options(app, output);

  return run_program(app, argc, argv, [&]() -> int {
    SignalFlags signals;
    std::optional<Output> picture_output;
    const std::string inputs[] = {data_path};
    if (index < 0) picture_output.emplace(out, ExitCode::failure, inputs);
    const Console console(output.verbosity(), picture_output && picture_output->is_standard_output());
    try {
      OpenOptions open{.seed = seed, .image_size = image_size, .default_size = usual_image_size, .stop = signals.stop()};
      data_options.apply(open);
      const Dataset data = open_data(data_path, open, console);
      const ImageSet& set = split == "train" ? data.train : data.test;
      if (index >= 0) {
        show_image(data, set, split, index, console);
        return 0;
      }
      if (set.count == 0) throw DataError(data.description + ": no images for --split " + split);
      const std::int64_t shown = std::min(count, set.count);
      const std::string title = (split == "train" ? "training images 0 to " : "test images 0 to ") +
                                std::to_string(shown - 1) + (augment.empty() ? "" : ", augmented: " + augment);
      std::optional<ImageSet> seen;
      if (!augment.empty()) seen = augmented(set, shown, Augmentation::parse(augment).value(), seed);
      const Picture picture = image_grid(thumbnails(seen ? *seen : set, shown), 0, shown, data.classes, title);
      picture_output->write(encode_png(picture.width, picture.height, picture.rgb), signals.stop());

      console.note(data.description);
      console.result(shapes_line("train", data.train));
      console.result(shapes_line("test ", data.test));
      console.result(counts_table(data));
      console.result(title + " in " + out);
      console.object(to_text({{"train", {data.train.count, data.train.height, data.train.width, data.train.channels}},
                              {"test", {data.test.count, data.test.height, data.test.width, data.test.channels}},
                              {"classes", counts_json(data)},
                              {"picture", out}}));
      return 0;
    } catch (const Interrupted&) {
      return signals.exit_code();
    }
  });
}

// predict WEIGHTS IMAGE...: what a network sees in photos, or (WEIGHTS DATA --index N) in an image of a test set.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>

#include "apps/data.h"
#include "apps/explaining.h"
#include "apps/options.h"
#include "apps/photos.h"
#include "apps/program.h"
#include "apps/signals.h"
#include "apps/values.h"
#include "apps/verbs.h"
#include "engine/files/weights_file.h"
#include "engine/run/answers.h"
#include "engine/run/int8_file.h"
#include "engine/run/run.h"
#include "engine/train/views.h"
#include "models/saved_network.h"

namespace {

using namespace tessera;

std::vector<float> logits_of(Inference& network, const RunConfig& config, const ImageSet& images, bool six_views,
                             const std::shared_ptr<Device>& device, const std::atomic<bool>* stop) {
  const DeviceImages uploaded = DeviceImages::upload(images, device);
  const ImageBatches source(uploaded, gather_params(config.recipe.normalization, Augmentation::none, 0));
  std::optional<SixViews> views;
  if (six_views) views.emplace(uploaded, config.recipe.normalization);
  const std::vector<float> logits = predict(network, source, std::min(config.recipe.batch_size, images.count), stop,
                                            views ? views->views() : std::vector<SampleView>());
  for (const float z : logits)
    if (!std::isfinite(z)) throw NonFiniteError("the network's outputs are not finite: these weights are of no use");
  return logits;
}

// A file that the user asked for by an option; none where it was not given.
std::optional<Output> output_named(const std::string& name, std::span<const std::string> inputs) {
  if (name.empty()) return {};
  return Output(name, ExitCode::failure, inputs);
}

}  // namespace

int tessera::predict_main(int argc, char** argv) {
  CLI::App app("Says what photos show, or an image of a data set's test set (--index).");
  ComputeOptions options;
  DataOptions data_options;
  OutputOptions output;
  ExplainOptions explain_options;
  std::string weights, network_id, csv_file;
  std::vector<std::string> paths;
  std::int64_t top = 5, index = -1;
  bool six_views = false;
  app.add_option("WEIGHTS", weights, weights_help())->required();
  app.add_option("IMAGE", paths,
                 "PNG or JPEG photos of any size, folders of them, and - for a photo from standard input; with --index: a "
                 "data set")
      ->required();
  app.add_option("--index", index, "Predict this image of the test set")
      ->check(number<std::int64_t>({.least = 0}))
      ->default_str("none");
  app.add_option("--top", top, "How many of the likeliest classes to print")
      ->check(number<std::int64_t>({.least = 1, .most = 1e6}))
      ->capture_default_str();
  app.add_option("--network", network_id, "For weights of another program: which network they are of")
      ->default_str("the file's");
  app.add_flag("--tta", six_views,
               "Average the outputs over six views of each image: as it is, shifted by a cell, mirrored");
  app.add_option("--csv", csv_file,
                 "Write a table too, a row an image: its class, and the probability of every class; -: to standard output")
      ->default_str("none");
  add_explain_options(app, explain_options);
  add_data_options(app, data_options);
  add_network_options(app, options);
  RunConfig defaults;
  defaults.recipe.batch_size = 128;
  add_compute_options(app, options, defaults);
  add_output_options(app, output);

  return run_program(app, argc, argv, [&]() -> int {
    SignalFlags signals;
    std::vector<std::string> inputs = paths;
    std::erase(inputs, "-");
    inputs.push_back(weights);
    const std::optional<Output> picture = output_named(explain_options.file, inputs), table = output_named(csv_file, inputs);
    const bool picture_out = picture && picture->is_standard_output(), table_out = table && table->is_standard_output();
    const Console console(output.verbosity(), picture_out || table_out);
    try {
      if (index >= 0 && paths.size() != 1) throw UsageError("--index goes with one data set");
      if (picture_out && table_out) throw UsageError("--explain and --csv cannot both go to standard output");
      if (!picture && (!explain_options.class_name.empty() || !explain_options.layer.empty()))
        throw UsageError("--explain-class and --explain-layer say what --explain FILE.png is to show");
      const TensorFile file = read_weights(weights);
      RunConfig config = config_of(file, network_id);
      config.recipe.batch_size = defaults.recipe.batch_size;
      options.apply(config);
      if (is_int8(file)) require_int8_device(config);
      if (is_int8(file) && picture)
        throw UsageError("--explain needs gradients, which int8 weights have not: give float32 ones");

      const std::shared_ptr<Device> device = open_device(config);
      SavedNetwork saved = load_network(file, config, device, Int8Weights::accepted);
      for (const std::string& note : saved.notes) console.note(note);
      console.note("device   " + device->choice());
      const std::int64_t side = saved.network->input()[0], channels = saved.network->input()[2];
      const std::size_t outputs = static_cast<std::size_t>(saved.network->outputs());
      const std::vector<std::string> names = output_names(class_names_of(file), classes_of(saved.network->outputs()));
      std::optional<Explaining> explaining;
      if (picture) explaining.emplace(explain_options, names);
      CsvTable rows{.columns = Answer::columns(names, index >= 0), .rows = {}};

      std::size_t answered = 0;
      Inference network(*saved.network, saved.quantization);
      const auto answer = [&](const Subjects& subjects) {
        if (subjects.images.count == 0) return;
        const std::vector<float> logits = logits_of(network, config, subjects.images, six_views, device, signals.stop());
        std::vector<Answer> answers;
        for (std::size_t n = 0; n < subjects.names.size(); ++n) {
          answers.emplace_back(subjects.names[n], std::span(logits).subspan(n * outputs, outputs));
          if (!subjects.true_classes.empty()) answers[n].true_class = subjects.true_classes[n];
        }
        if (explaining)
          explaining->add(*saved.network, config.recipe.normalization, device, subjects, answers, signals.stop());
        for (const Answer& one : answers) {
          one.print(names, top, console);
          if (table) rows.rows.push_back(one.row(names));
        }
        answered += answers.size();
      };
      const auto write_files = [&] {
        if (table) table->write(bytes_of(to_csv(rows)), signals.stop());
        if (!explaining) return;
        if (answered > 0)
          console.note("explain  maps of " + explaining->layer() + ", " + std::to_string(explaining->rows()) + "x" +
                       std::to_string(explaining->columns()) + " cells");
        if (explaining->full() && answered > most_explained)
          console.warn("the picture shows the first " + std::to_string(most_explained) + " of " + std::to_string(answered) +
                       " photos");
        explaining->write(*picture, signals.stop());
      };

      if (index >= 0) {
        OpenOptions open{.seed = config.recipe.seed, .image_size = side, .channels = channels, .stop = signals.stop()};
        data_options.apply(open);
        answer(pick_test_image(open_data(paths[0], open, console), index));
        write_files();
        return 0;
      }
      Photos photos(paths,
                    {.side = side, .channels = channels, .pictures = picture ? most_explained : 0, .stop = signals.stop()},
                    console);
      while (!photos.done()) answer(photos.read(config.recipe.batch_size));
      write_files();
      photos.finish();
      return 0;
    } catch (const Interrupted&) {
      return signals.exit_code();
    }
  });
}

// evaluate WEIGHTS DATA: loss, top-1, top-5, per-class accuracy and confusion matrix of saved weights.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>

#include "apps/data.h"
#include "apps/options.h"
#include "apps/program.h"
#include "apps/ranks.h"
#include "apps/signals.h"
#include "apps/values.h"
#include "apps/verbs.h"
#include "engine/files/npy.h"
#include "engine/files/weights_file.h"
#include "engine/report/confusion.h"
#include "engine/run/int8_file.h"
#include "engine/run/run.h"
#include "engine/run/weights.h"
#include "engine/train/views.h"
#include "models/saved_network.h"

namespace {

using namespace tessera;

const ImageSet& choose(const Split& split, const std::string& name) {
  const ImageSet& set = name == "train"                            ? split.train
                        : name == "val" && !split.validate_on_test ? split.validation
                                                                   : split.test;
  if (set.count == 0) throw DataError("the data has no images for --split " + name);
  return set;
}

}  // namespace

int tessera::evaluate_main(int argc, char** argv) {
  CLI::App app("Measures saved weights on a data set.");
  ComputeOptions options;
  DataOptions data_options;
  OutputOptions output;
  RankOptions rank_options;
  std::string weights, data, split_name = "test", network_id, logits_file;
  bool six_views = false;
  app.add_option("WEIGHTS", weights, weights_help())->required();
  app.add_option("DATA", data, data_help())->required();
  app.add_option("--split", split_name, "Which images")->check(one_of({"test", "val", "train"}))->capture_default_str();
  app.add_option("--network", network_id, "For weights of another program: which network they are of")
      ->default_str("the file's");
  app.add_option("--logits", logits_file,
                 "Write the outputs before softmax: float32 [images, outputs]; -: to standard output");
  app.add_flag("--tta", six_views,
               "Average the outputs over six views of each image: as it is, shifted by a cell, mirrored");
  add_data_options(app, data_options);
  add_network_options(app, options);
  RunConfig defaults;
  defaults.recipe.batch_size = 0;  // the recipe's: where losses are averaged by batches, its size matters
  add_compute_options(app, options, defaults);
  add_output_options(app, output);
  add_rank_options(app, rank_options);

  const auto body = [&](SignalFlags& signals, const Ranks& ranks) -> int {
    std::optional<Output> logits_output;
    const std::string inputs[] = {weights, data};
    if (!logits_file.empty() && ranks.first()) logits_output.emplace(logits_file, ExitCode::weights, inputs);
    const Console console(output.verbosity(), logits_output && logits_output->is_standard_output(), ranks.speaker);
    try {
      const TensorFile file = read_weights(weights);
      RunConfig config = config_of(file, network_id);
      options.apply(config);
      if (is_int8(file)) require_int8_device(config);
      const std::shared_ptr<Device> device = open_device(config, take_seat(ranks.communicator));
      require_alike(ranks.communicator, config, *device);
      const SavedNetwork saved = load_network(file, config, device, Int8Weights::accepted);
      broadcast_weights(ranks.communicator, *saved.parameters);
      for (const std::string& note : saved.notes) console.note(note);
      const Shape input = saved.network->input();
      OpenOptions open{.seed = config.recipe.seed, .image_size = input[0], .channels = input[2], .stop = signals.stop()};
      data_options.apply(open);
      Dataset dataset = open_data(data, open, console);
      const Split split = split_for(std::move(dataset), config.recipe, {}, saved.network->outputs(),
                                    {.known_classes = class_names_of(file), .training = false});
      for (const std::string& line : split.cuts) console.note("data     " + line);
      for (const std::string& note : split.notes) console.warn(note);
      console.note("device   " + device->choice());

      if (ranks.communicator.size() > 1)
        require_same_images(ranks.communicator, split_name, digest(choose(split, split_name)));
      const DeviceImages chosen = DeviceImages::upload(choose(split, split_name), device);
      const ImageBatches images(chosen, gather_params(config.recipe.normalization, Augmentation::none, 0));
      std::optional<SixViews> views;
      if (six_views) views.emplace(chosen, config.recipe.normalization);
      Confusion confusion(split.classes);
      std::vector<float> logits;
      bool finite = true;
      const Evaluation result = evaluate(*saved.network, images,
                                         {.batch_size = config.recipe.batch_size,
                                          .average = config.recipe.loss_average,
                                          .stop = signals.stop(),
                                          .on_batch =
                                              [&](const Tensor& z, const Tensor& labels) {
                                                const std::vector<float> values = z.to_host<float>();
                                                finite &=
                                                    std::ranges::all_of(values, [](float v) { return std::isfinite(v); });
                                                confusion.add(values, labels.to_host<std::int32_t>());
                                                if (logits_output) logits.insert(logits.end(), values.begin(), values.end());
                                              },
                                          .views = views ? views->views() : std::vector<SampleView>(),
                                          .ranks = &ranks.communicator,
                                          .quantization = saved.quantization});
      if (logits_output) write_npy(*logits_output, logits, {result.samples, saved.network->outputs()}, signals.stop());
      console.result(confusion.table());
      console.result(split_name + ": accuracy " + test_line(result).substr(std::string("test: accuracy ").size()));
      console.object(evaluation_json(result, confusion));
      if (!finite || !std::isfinite(result.loss)) {
        any(ranks.communicator, false);  // the first rank to throw ends all: not before rank 0 has written
        throw NonFiniteError("the network's outputs are not finite: these weights are of no use");
      }
      return 0;
    } catch (const Interrupted&) {
      return signals.exit_code();
    }
  };
  return run_program(app, argc, argv, [&] {
    SignalFlags signals;
    return run_as_rank(rank_options, [&](const Ranks& ranks) { return body(signals, ranks); });
  });
}

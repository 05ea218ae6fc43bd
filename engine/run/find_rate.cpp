#include "engine/run/find_rate.h"

#include <algorithm>
#include <cmath>

#include "engine/core/random.h"
#include "engine/files/csv.h"
#include "engine/files/weights_file.h"
#include "engine/report/report.h"
#include "engine/report/text.h"
#include "engine/run/json_fields.h"
#include "engine/run/own_names.h"
#include "engine/run/run_folder.h"
#include "engine/run/weights.h"
#include "engine/train/train_step.h"

namespace tessera {
namespace {

constexpr int sweep_steps = 100;
constexpr double kept = 0.8, too_high = 4;

void write_report(const RunRequest& request, const RateSweep& sweep, const std::filesystem::path& folder) {
  Chart chart{.title = "Loss",
              .x_name = "learning rate",
              .decades = true,
              .x = {},
              .series = {{"of each batch", "validation", {}}, {"smoothed", "train", {}}}};
  // Where rates are far too high, losses may be a hundred times those that tell something: the picture ends before them.
  const double first = *std::max_element(sweep.smoothed.begin(), sweep.smoothed.begin() + (sweep.smoothed.size() + 3) / 4);
  const double least = *std::min_element(sweep.smoothed.begin(), sweep.smoothed.end());
  const double most = first + std::max(0.25 * first, first - least);
  for (std::size_t i = 0; i < sweep.rates.size() && sweep.smoothed[i] <= most; ++i) {
    chart.x.push_back(std::log10(sweep.rates[i]));
    chart.series[0].values.push_back(sweep.losses[i] <= most ? sweep.losses[i] : HUGE_VAL);  // a gap
    chart.series[1].values.push_back(sweep.smoothed[i]);
  }
  const ReportData data{
      .title = request.config.network + ": learning rates",
      .subtitle = "Recipe " + request.config.recipe.id + " on " + request.config.data,
      .figures = {{"suggested rate", csv_number(sweep.suggestion), "--lr"}, {"lowest loss at", two_digits(sweep.best)}},
      .charts = {chart},
      .charts_note =
          "Each step has a higher rate than the one before. A good rate lies where the loss falls fast: a tenth of where it "
          "is lowest. Losses far above the first are left out.",
      .footer = "Tessera"};
  write_file_atomically(folder / "report.html", bytes_of(report_html(data)), ExitCode::weights);
}

}  // namespace

RateSweep sweep_rates(Network& network, ParameterStore& parameters, const Recipe& recipe, BatchSource& train,
                      const std::atomic<bool>* stop, double lowest, double highest) {
  const std::vector<ParameterGroup> groups = completed_groups(recipe.optimizer, parameters, recipe.groups);
  const auto optimizer = make_optimizer(recipe.optimizer, parameters, groups);
  TrainStep step(network, parameters, *optimizer, train, step_options(recipe, parameters.device()));
  const std::int64_t size = std::min(recipe.batch_size, train.count()), batches = train.count() / size;
  const double factor = std::pow(highest / lowest, 1.0 / (sweep_steps - 1));
  RateSweep sweep;
  double mean = 0, least = HUGE_VAL;
  for (int i = 0; i < sweep_steps; ++i) {
    if (stop && *stop) throw Interrupted("the sweep of learning rates was stopped");
    if (i % batches == 0) train.set_order(shuffled_order(train.count(), recipe.seed, i / batches));
    const double rate = lowest * std::pow(factor, i);
    kernels::StepState state{.step = i, .epoch = i / batches, .position = i % batches * size};
    set_learning_rates(state, recipe.optimizer, ConstantRate{}, groups, {});
    state.learning_rate[0] = rate;
    step.run(state, size);
    const double loss = step.batch_loss();
    mean = kept * mean + (1 - kept) * loss;
    const double smoothed = mean / (1 - std::pow(kept, i + 1));
    if (!std::isfinite(smoothed) || smoothed > too_high * least) break;
    sweep.rates.push_back(rate), sweep.losses.push_back(loss), sweep.smoothed.push_back(smoothed);
    if (smoothed < least) least = smoothed, sweep.best = rate;
  }
  if (sweep.rates.empty()) throw NonFiniteError("the loss is not finite at a learning rate of " + csv_number(lowest));
  sweep.suggestion = std::stod(two_digits(sweep.best / 10));
  return sweep;
}

RateSweep find_rate(const RunRequest& request, Network& network, Dataset&& dataset, const std::shared_ptr<Device>& device,
                    const Console& console) {
  const RunConfig& config = request.config;
  const Recipe& recipe = config.recipe;
  if (!recipe.groups.empty())
    throw UsageError("--find-lr looks for one rate, and the recipe " + recipe.id +
                     " has groups of parameters with rates of " + "their own; give --optimizer too, for one rule for all");
  const Split split = split_for(std::move(dataset), recipe, {config.limit_train, config.limit_test}, network.outputs(),
                                {.known_classes = request.known_classes});
  for (const std::string& note : split.notes) console.warn(note);
  const CheckpointStore store(request.folder);  // its lock: somebody's run may be there
  require_no_run(store, request.folder);
  ParameterStore parameters(network, device, recipe.seed);
  if (!config.weights.empty()) {
    std::vector<std::string> notes;
    const TensorFile initial = own_names(read_weights(config.weights), network, notes);
    for (std::string& note : load_weights(initial, parameters)) notes.push_back(std::move(note));
    for (const std::string& note : notes) console.note(note);
  }
  ImageBatches train(DeviceImages::upload(split.train, device), recipe.normalization, recipe.augment, recipe.seed);
  console.note("device   " + device->choice());
  console.note("a hundred steps of " + std::string(kind_of(recipe.optimizer)) + " with rising learning rates");
  Recipe own = recipe;
  own.class_weights =
      recipe.class_weights.resolved(split.train.labels, static_cast<std::int64_t>(split.classes.size()), network.outputs());
  const RateSweep sweep = sweep_rates(network, parameters, own, train, request.stop);
  write_file_atomically(store.run_folder() / "sweep.json", bytes_of(to_json(config)), ExitCode::weights);
  write_report(request, sweep, store.run_folder());
  std::error_code ignored;
  std::filesystem::remove(store.run_folder() / "checkpoints", ignored);  // the store's, empty
  return sweep;
}

std::string sweep_json(const RateSweep& sweep) {
  return Json{{"event", "find-lr"}, {"lr", sweep.suggestion}, {"rates", sweep.rates}, {"losses", sweep.losses}}.dump();
}

}  // namespace tessera

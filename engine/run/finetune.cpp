#include "engine/run/finetune.h"

#include <chrono>
#include <nlohmann/json.hpp>

#include "engine/files/io.h"
#include "engine/report/text.h"
#include "engine/run/report_file.h"
#include "engine/run/run_folder.h"
#include "engine/run/weights.h"

namespace tessera {
namespace {

using Json = nlohmann::ordered_json;

std::string config_json(const FinetuneRequest& request, const std::vector<std::string>& classes) {
  Json json = Json::parse(to_json(request.config));
  json["finetune"] = {{"classes", classes},
                      {"frozen_epochs", request.frozen_epochs},
                      {"frozen_learning_rate", request.frozen_learning_rate}};
  return json.dump(2) + "\n";
}

std::string epochs_text(std::int64_t epochs) { return std::to_string(epochs) + (epochs == 1 ? " epoch" : " epochs"); }

}  // namespace

std::vector<Parameter*> head_of(Network& network, const ParameterStore& parameters) {
  const std::string path = network.head().path();
  std::vector<Parameter*> head;
  for (Parameter* parameter : parameters.parameters())
    if (parameter->path().starts_with(path + ".")) head.push_back(parameter);
  return head;
}

void initialize_head(std::span<Parameter* const> head, std::uint64_t seed) {
  for (const Parameter* parameter : head) {
    const Shape& shape = parameter->shape();
    const bool weight = shape.rank >= 2;  // [out,in] of a linear layer, [K,R,S,C] of a convolution
    const double inputs = weight ? static_cast<double>(shape.count() / shape[0]) : 0;
    const double window = shape.rank == 4 ? static_cast<double>(shape[1] * shape[2]) : 1;
    const Fan fan{inputs, window * static_cast<double>(shape[0])};
    const std::vector<float> values = initial_values(weight ? Init::glorot_uniform : Init::zeros, fan, parameter->count(),
                                                     RandomStream(seed, Purpose::weights, stream_of(parameter->path())));
    parameter->value().copy_from(std::span<const float>(values));
  }
}

RunResult run_finetuning(const FinetuneRequest& request, Network& network, const Safetensors& pretrained, Dataset&& dataset,
                         const std::shared_ptr<Device>& device, const Console& console) {
  const RunConfig& config = request.config;
  const Recipe& recipe = config.recipe;
  for (const std::string& warning : dataset.warnings) console.warn(warning);
  const Split split = split_for(std::move(dataset), recipe, {config.limit_train, config.limit_test}, network.outputs());
  for (const std::string& note : split.notes) console.warn(note);

  ParameterStore parameters(network, device, config.seed);
  const std::vector<Parameter*> head = head_of(network, parameters);
  std::vector<std::string> head_names;
  for (const Parameter* parameter : head) head_names.push_back(parameter->path());
  initialize_head(head, config.seed);
  for (const std::string& note : load_weights(pretrained, parameters, head_names)) console.note(note);
  const Metadata metadata = weights_metadata(config, network.outputs(), split.classes);

  make_folder(request.folder, ExitCode::weights, system_calls);
  write_file_atomically(request.folder / "config.json", bytes_of(config_json(request, split.classes)), ExitCode::weights);
  console.note("device   " + device->choice());
  console.note("network  " + config.network + " of " + pretrained.where() + ", new head " + head_names.front() + " " +
               to_string(head.front()->shape()));
  console.note("data     " + with_thousands(split.train.count) + " training and " + with_thousands(split.test.count) +
               " test images");
  console.note("run      " + request.folder.string());

  BatchSource train(DeviceImages::upload(split.train, device),
                    gather_params(recipe.normalization, recipe.augment, config.seed));
  std::optional<BatchSource> test;
  if (split.test.count > 0)
    test.emplace(DeviceImages::upload(split.test, device), gather_params(recipe.normalization, false, config.seed));

  HistoryFile history(request.folder / "history.csv", recipe.top5);
  BestWeights best(request.folder / "best.safetensors", parameters, metadata);
  ConsoleProgress progress(console, recipe);
  RunReport report(request.folder / "report.html", config, parameters);
  report.add_table({"Transfer",
                    {{"weights", pretrained.where()},
                     {"new head", head_names.front() + " " + to_string(head.front()->shape())},
                     {"frozen epochs", std::to_string(request.frozen_epochs)},
                     {"frozen learning rate", csv_number(request.frozen_learning_rate)}}});

  const auto phase = [&](const char* name, std::int64_t epochs, double learning_rate, bool validated, FitState state) {
    console.note(std::string(name) + ": " + with_thousands(parameters.trainable_count()) + " trainable parameters, " +
                 with_thousands(parameters.non_trainable_count()) + " fixed or statistics, " + kind_of(recipe.optimizer) +
                 ", learning rate " + csv_number(learning_rate) + ", " + epochs_text(epochs));
    const std::unique_ptr<Optimizer> optimizer = make_optimizer(recipe.optimizer, parameters);
    FitPlan plan = plan_of(config, request.stop);
    plan.epochs = state.epoch + epochs;
    plan.learning_rate = learning_rate;
    Fit fit(network, parameters, *optimizer, train, validated && test ? &*test : nullptr, plan, std::move(state));
    for (FitObserver* observer : std::initializer_list<FitObserver*>{&history, &best, &progress}) fit.add(*observer);
    const FitEnd end = fit.run();
    report.add_training(fit, end);
    return std::pair(end, fit.state());
  };

  RunResult result{.end = FitEnd::finished, .test = std::nullopt};
  FitState state;
  if (request.frozen_epochs > 0) {
    for (Parameter* parameter : parameters.parameters()) parameter->set_trainable(false);
    for (Parameter* parameter : head) parameter->set_trainable(true);
    std::tie(result.end, state) =
        phase("phase 1", request.frozen_epochs, request.frozen_learning_rate, false, std::move(state));
  }
  for (Parameter* parameter : parameters.parameters()) parameter->set_trainable(true);
  if (result.end == FitEnd::finished && recipe.epochs > 0)
    std::tie(result.end, state) = phase("phase 2", recipe.epochs, learning_rate_of(recipe.optimizer),
                                        recipe.validation != Validation::none, std::move(state));

  save_weights(request.folder / "last.safetensors", parameters, metadata);
  report.write();
  if (result.end == FitEnd::stopped) return result;
  if (test) {
    const auto start = std::chrono::steady_clock::now();
    result.test = evaluate(network, *test,
                           {.batch_size = recipe.batch_size,
                            .average = recipe.loss_average,
                            .stop = request.stop,
                            .on_batch = report.watch(split.test, "test", split.classes)});
    report.add_evaluation(*result.test, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    report.write();
  }
  return result;
}

}  // namespace tessera

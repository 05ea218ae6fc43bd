#include "engine/run/config.h"

#include <nlohmann/json.hpp>

#include "engine/core/error.h"

namespace tessera {
namespace {

using Json = nlohmann::ordered_json;

template <class E>
struct Word {
  E value;
  const char* word;
};

constexpr Word<Normalization> normalizations[] = {{Normalization::none, "none"}, {Normalization::cifar10, "cifar10"}};
constexpr Word<Precision> precisions[] = {{Precision::fp32, "fp32"}, {Precision::tf32, "tf32"}, {Precision::bf16, "bf16"}};
constexpr Word<Validation> validations[] = {{Validation::none, "none"},
                                            {Validation::test_set, "test set"},
                                            {Validation::last_tenth, "last tenth"},
                                            {Validation::fifth_batch, "data_batch_5"}};
constexpr Word<BestRule> best_rules[] = {{BestRule::last, "last"},
                                         {BestRule::lowest_validation_loss, "lowest validation loss"},
                                         {BestRule::highest_validation_accuracy, "highest validation accuracy"}};
constexpr Word<LossAverage> averages[] = {{LossAverage::by_samples, "by samples"}, {LossAverage::by_batches, "by batches"}};

template <class E, std::size_t N>
const char* word_of(const Word<E> (&words)[N], E value) {
  for (const auto& w : words)
    if (w.value == value) return w.word;
  return "?";
}

template <class E, std::size_t N>
E value_of(const Word<E> (&words)[N], const std::string& word) {
  std::string known;
  for (const auto& w : words) {
    if (word == w.word) return w.value;
    known += (known.empty() ? "" : ", ") + std::string(w.word);
  }
  throw UsageError("'" + word + "' is not one of: " + known);
}

template <class T>
Json optional_json(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

template <class T>
std::optional<T> optional_of(const Json& json) {
  return json.is_null() ? std::nullopt : std::optional<T>(json.get<T>());
}

// One of several structs of options: its word, then its fields (engine/core/fields.h).
template <class Variant>
Json alternative_json(Variant options) {
  Json json = {{"kind", kind_of(options)}};
  auto write = [&](const char* name, const auto& member, const FieldNote&) { json[name] = member; };
  std::visit([&](auto& each) { each.fields(write); }, options);
  return json;
}

template <class Variant>
Variant alternative_of(const Json& json) {
  const std::string kind = json.at("kind");
  std::optional<Variant> options = Kinds<Variant>::make(kind);
  if (!options) throw UsageError("kind '" + kind + "' is none that this version knows");
  auto read = [&](const char* name, auto& member, const FieldNote&) { json.at(name).get_to(member); };
  std::visit([&](auto& each) { each.fields(read); }, *options);
  return *options;
}

Json recipe_json(const Recipe& r) {
  return {{"id", r.id},
          {"normalization", word_of(normalizations, r.normalization)},
          {"validation", word_of(validations, r.validation)},
          {"classes", r.classes},
          {"batch_size", r.batch_size},
          {"epochs", r.epochs},
          {"evaluate_every_steps", r.evaluate_every_steps},
          {"optimizer", alternative_json(r.optimizer)},
          {"schedule", alternative_json(r.schedule)},
          {"label_smoothing", r.label_smoothing},
          {"best", word_of(best_rules, r.best)},
          {"test_best", r.test_best},
          {"loss_average", word_of(averages, r.loss_average)},
          {"top5", r.top5},
          {"log_every_steps", r.log_every_steps},
          {"last_batch_loss", r.last_batch_loss},
          {"augment", r.augment},
          {"shuffle", r.shuffle},
          {"seed", r.seed}};
}

// Runs of version 0.1 have no schedule: their rate was constant. Their "adam" had a form instead of two names.
Recipe recipe_of(const Json& j) {
  Json optimizer = j.at("optimizer");
  if (optimizer.contains("form") && optimizer.at("form") == "keras") optimizer["kind"] = AdamKeras::Options::kind;
  return {.id = j.at("id"),
          .normalization = value_of(normalizations, j.at("normalization")),
          .validation = value_of(validations, j.at("validation")),
          .classes = j.at("classes"),
          .batch_size = j.at("batch_size"),
          .epochs = j.at("epochs"),
          .evaluate_every_steps = j.at("evaluate_every_steps"),
          .optimizer = alternative_of<OptimizerOptions>(optimizer),
          .schedule = j.contains("schedule") ? alternative_of<Schedule>(j.at("schedule")) : Schedule(),
          .label_smoothing = j.at("label_smoothing"),
          .best = value_of(best_rules, j.at("best")),
          .test_best = j.at("test_best"),
          .loss_average = value_of(averages, j.at("loss_average")),
          .top5 = j.at("top5"),
          .log_every_steps = j.at("log_every_steps"),
          .last_batch_loss = j.at("last_batch_loss"),
          .augment = j.at("augment"),
          .shuffle = j.at("shuffle"),
          .seed = j.at("seed")};
}

}  // namespace

const char* to_word(Normalization normalization) { return word_of(normalizations, normalization); }
const char* to_word(Precision precision) { return word_of(precisions, precision); }
Precision precision_of(const std::string& word) { return value_of(precisions, word); }
Normalization normalization_of(const std::string& word) { return value_of(normalizations, word); }

std::string to_json(const RunConfig& c) {
  const Json json = {{"network", c.network},
                     {"outputs", optional_json(c.network_options.outputs)},
                     {"dropout", optional_json(c.network_options.dropout)},
                     {"residual", c.network_options.residual},
                     {"data", c.data},
                     {"recipe", recipe_json(c.recipe)},
                     {"seed", c.seed},
                     {"device", c.device},
                     {"kernels", c.kernels},
                     {"precision", c.precision},
                     {"threads", c.threads},
                     {"deterministic", c.deterministic},
                     {"conv", c.direct_convolution ? "direct" : "auto"},
                     {"max_steps", optional_json(c.max_steps)},
                     {"max_minutes", optional_json(c.max_minutes)},
                     {"limit_train", optional_json(c.limit_train)},
                     {"limit_test", optional_json(c.limit_test)},
                     {"weights", c.weights}};
  return json.dump(2) + "\n";
}

RunConfig parse_run_config(const std::string& text, const std::string& where) {
  try {
    const Json j = Json::parse(text);
    return {.network = j.at("network"),
            .network_options = {.outputs = optional_of<std::int64_t>(j.at("outputs")),
                                .dropout = optional_of<double>(j.at("dropout")),
                                .residual = j.at("residual")},
            .data = j.at("data"),
            .recipe = recipe_of(j.at("recipe")),
            .seed = j.at("seed"),
            .device = j.at("device"),
            .kernels = j.at("kernels"),
            .precision = j.at("precision"),
            .threads = j.at("threads"),
            .deterministic = j.at("deterministic"),
            .direct_convolution = j.at("conv") == "direct",
            .max_steps = optional_of<std::int64_t>(j.at("max_steps")),
            .max_minutes = optional_of<double>(j.at("max_minutes")),
            .limit_train = optional_of<std::int64_t>(j.at("limit_train")),
            .limit_test = optional_of<std::int64_t>(j.at("limit_test")),
            .weights = j.at("weights")};
  } catch (const nlohmann::json::exception& error) {
    throw WeightsError(where + ": not a run's configuration: " + error.what());
  } catch (const UsageError& error) {
    throw WeightsError(where + ": not a run's configuration: " + error.what());
  }
}

}  // namespace tessera

#include "engine/run/config.h"

#include "engine/run/json_fields.h"

namespace tessera {
namespace {

constexpr std::int64_t format_version = 2;

void keep_only(Json& object, std::initializer_list<const char*> names) {
  for (auto field = object.begin(); field != object.end();)
    field = std::find(names.begin(), names.end(), field.key()) == names.end() ? object.erase(field) : std::next(field);
}

// Of version 1, which had no "version": seed and precision stood beside the recipe (whose own seed was the one that it had
// before the command line), and all optimisers and schedules shared one list of fields.
void upgrade(Json& config, const std::string& where) {
  if (config.contains("finetune"))
    throw WeightsError(where + ": a fine-tuning run of Tessera 0.1, which wrote no checkpoints: it cannot be resumed");
  if (!config.contains("recipe") || !config["recipe"].is_object()) return;
  Json& recipe = config["recipe"];
  for (const char* field : {"seed", "precision"})
    if (config.contains(field)) {
      recipe[field] = config[field];
      config.erase(field);
    }
  if (config.contains("conv")) {
    config["direct_convolution"] = config["conv"] == "direct";
    config.erase("conv");
  }
  if (recipe.contains("optimizer") && recipe["optimizer"].is_object()) {
    Json& optimizer = recipe["optimizer"];
    const bool sgd = optimizer.contains("kind") && optimizer["kind"] == "sgd";
    if (!sgd && optimizer.contains("form")) optimizer["kind"] = optimizer["form"] == "pytorch" ? "adam" : "adam-keras";
    if (sgd)
      keep_only(optimizer, {"kind", "learning_rate", "weight_decay", "momentum", "nesterov"});
    else
      keep_only(optimizer, {"kind", "learning_rate", "weight_decay", "beta1", "beta2", "epsilon"});
  }
  if (recipe.contains("augment") && recipe["augment"].is_boolean())
    recipe["augment"] = recipe["augment"].get<bool>() ? "standard" : "none";
  if (recipe.contains("schedule") && recipe["schedule"].is_object() && recipe["schedule"].contains("kind") &&
      recipe["schedule"]["kind"] == "constant")
    keep_only(recipe["schedule"], {"kind"});
}

// What no single field's range can say.
void check(const RunConfig& config, const std::string& where) {
  if (config.network.empty()) throw WeightsError(where + ": network is missing");
  std::vector<std::int32_t> classes = config.recipe.classes;
  std::sort(classes.begin(), classes.end());
  if (std::adjacent_find(classes.begin(), classes.end()) != classes.end())
    throw WeightsError(where + ": recipe.classes names a label twice");
  if (config.new_head && config.weights.empty()) throw WeightsError(where + ": new_head without weights");
  if (config.kernels != "auto" && config.kernels != "own" && config.kernels != "vendor")
    throw WeightsError(where + ": kernels must be one of: auto, own, vendor; not " + printable(config.kernels));
}

void add_differences(const std::string& name, const Json& a, const Json& b, std::vector<std::string>& found) {
  if (a == b) return;
  if (!a.is_object() || !b.is_object()) {
    found.push_back(name + " " + a.dump() + " → " + b.dump());
    return;
  }
  const auto kind = [](const Json& of) { return of.contains("kind") ? of["kind"].dump() : ""; };
  if (kind(a) != kind(b)) {
    found.push_back(name + " " + kind(a) + " → " + kind(b));
    return;
  }
  const std::string prefix = name.empty() ? "" : name + ".";
  for (const auto& [key, value] : b.items())
    add_differences(prefix + key, a.contains(key) ? a[key] : Json(nullptr), value, found);
  for (const auto& [key, value] : a.items())
    if (!b.contains(key)) add_differences(prefix + key, value, nullptr, found);
}

}  // namespace

std::vector<Phase> phases_of(const RunConfig& config) {
  if (!config.phases.empty()) return config.phases;
  return {{.epochs = config.recipe.epochs, .learning_rate = learning_rate_of(config.recipe.optimizer)}};
}

std::string to_json(const RunConfig& config) {
  Json json = {{"version", format_version}};
  json.update(json_of_fields(config));
  return json.dump(2) + "\n";
}

RunConfig parse_run_config(const std::string& text, const std::string& where) {
  Json json = parse_json_object(text, where);
  std::int64_t version = 1;
  if (json.contains("version")) {
    version = JsonPlace{json, where, ""}.at("version").whole({.least = 1});
    if (version > format_version)
      throw WeightsError(where + ": a configuration of version " + std::to_string(version) + ", of a newer Tessera; " +
                         "this one reads versions up to " + std::to_string(format_version));
    json.erase("version");
  }
  if (version == 1) upgrade(json, where);
  RunConfig config;
  const JsonPlace place{json, where, ""};
  JsonReader reader(place);
  config.fields(reader);
  reader.finish();
  check(config, where);
  try {
    config.recipe.normalization = config.recipe.normalization.of_channels(config.network_options.channels);
  } catch (const UsageError& error) {
    throw WeightsError(where + ": recipe.normalization: " + error.what());
  }
  return config;
}

std::vector<std::string> differences(const RunConfig& before, const RunConfig& after) {
  std::vector<std::string> found;
  add_differences("", json_of_fields(before), json_of_fields(after), found);
  return found;
}

}  // namespace tessera

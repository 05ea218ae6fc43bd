// config.json: what is written reads back, of every version; and what cannot be is refused with the field's name.
#include "engine/run/config.h"

#include <nlohmann/json.hpp>

#include "engine/core/error.h"
#include "tests/catch.h"

using namespace tessera;
using Catch::Contains;
using Json = nlohmann::ordered_json;

namespace {

// Of Tessera 0.1, as it wrote it: seed and precision twice, all optimisers' fields, no version.
constexpr const char* version_0_1 = R"({
  "network": "resnet18",
  "outputs": 12,
  "dropout": null,
  "residual": true,
  "data": "cifar-10-batches-bin",
  "recipe": {
    "id": "resnet18-fast",
    "normalization": "cifar10",
    "validation": "test set",
    "classes": [],
    "batch_size": 4,
    "epochs": 24,
    "evaluate_every_steps": 0,
    "optimizer": {
      "kind": "sgd",
      "learning_rate": 0.4,
      "weight_decay": 0.0005,
      "momentum": 0.9,
      "nesterov": true,
      "beta1": 0.9,
      "beta2": 0.999,
      "epsilon": 1e-07,
      "form": "keras"
    },
    "schedule": {
      "kind": "one cycle",
      "warmup": 0.2,
      "first": 0.1,
      "last": 0.0
    },
    "label_smoothing": 0.1,
    "best": "last",
    "test_best": false,
    "loss_average": "by samples",
    "top5": false,
    "log_every_steps": 0,
    "last_batch_loss": false,
    "augment": true,
    "shuffle": true,
    "seed": 100
  },
  "seed": 7,
  "device": "auto",
  "kernels": "auto",
  "precision": "bf16",
  "threads": 1,
  "deterministic": false,
  "conv": "direct",
  "max_steps": 1,
  "max_minutes": null,
  "limit_train": 8,
  "limit_test": 4,
  "weights": ""
})";

// Of the first builds, which knew no schedule, no label smoothing and no time limit.
Json oldest() {
  Json json = Json::parse(version_0_1);
  json["recipe"].erase("schedule");
  json["recipe"].erase("label_smoothing");
  json.erase("max_minutes");
  return json;
}

RunConfig sample() {
  RunConfig config;
  config.network = "resnet18";
  config.network_options = {.outputs = 3, .dropout = 0.25, .residual = false};
  config.data = "somewhere";
  config.recipe.id = "R";
  config.recipe.classes = {4, 2, 7};
  config.recipe.normalization = {.mean = {0.1f, 0.2f, 0.3f}, .std = {0.5f, 0.25f, 1.0f / 3}};
  config.recipe.optimizer = Adam::Options{.learning_rate = 1.0 / 3, .weight_decay = 1e-300};
  config.recipe.schedule = OneCycle{.warmup = 0.1};
  config.recipe.best = BestRule::highest_validation_accuracy;
  config.recipe.precision = Precision::tf32;
  config.recipe.seed = 18446744073709551615u;
  config.phases = {{.epochs = 2, .learning_rate = 0.1, .frozen = true, .validate = false},
                   {.epochs = 5, .learning_rate = 0.2}};
  config.max_minutes = 0.5;
  config.limit_test = 9;
  config.weights = "w.safetensors";
  config.new_head = true;
  return config;
}

std::string refusal(const Json& json) {
  try {
    parse_run_config(json.dump(), "run/config.json");
    return "";
  } catch (const WeightsError& error) {
    return error.what();
  }
}

// `sample` with one field set, by its path.
Json with(const char* path, const Json& value) {
  Json json = Json::parse(to_json(sample()));
  json[Json::json_pointer(path)] = value;
  return json;
}

}  // namespace

TEST_CASE("a configuration that is written reads back") {
  const std::string text = to_json(sample());
  const RunConfig read = parse_run_config(text, "config.json");
  CHECK(to_json(read) == text);
  CHECK(differences(sample(), read).empty());
  CHECK(read.recipe.normalization == sample().recipe.normalization);
  CHECK(read.recipe.seed == sample().recipe.seed);
  CHECK(std::get<Adam::Options>(read.recipe.optimizer).weight_decay == 1e-300);
}

TEST_CASE("a configuration of version 0.1 means what it meant") {
  const RunConfig c = parse_run_config(version_0_1, "config.json");
  CHECK(c.network == "resnet18");
  CHECK(c.network_options.outputs == 12);
  CHECK(!c.network_options.dropout);
  CHECK(c.network_options.residual);
  CHECK(c.recipe.seed == 7);  // not the recipe's own, which the command line had replaced
  CHECK(c.recipe.precision == Precision::bf16);
  CHECK(c.recipe.normalization == Normalization::cifar10);
  CHECK(c.direct_convolution);
  CHECK(c.phases.empty());
  CHECK(!c.new_head);
  const auto& sgd = std::get<Sgd::Options>(c.recipe.optimizer);
  CHECK(sgd.learning_rate == 0.4);
  CHECK(sgd.momentum == 0.9);
  CHECK(sgd.weight_decay == 5e-4);
  CHECK(sgd.nesterov);
  CHECK(std::get<OneCycle>(c.recipe.schedule).warmup == 0.2);
  CHECK(c.max_steps == 1);
  CHECK(c.limit_train == 8);

  for (const auto& [form, kind] : {std::pair{"keras", "adam-keras"}, std::pair{"pytorch", "adam"}}) {
    Json adam = Json::parse(version_0_1);
    adam["recipe"]["optimizer"]["kind"] = "adam";
    adam["recipe"]["optimizer"]["form"] = form;
    CHECK(std::string(kind_of(parse_run_config(adam.dump(), "").recipe.optimizer)) == kind);
  }

  const RunConfig first = parse_run_config(oldest().dump(), "config.json");
  CHECK(std::holds_alternative<ConstantRate>(first.recipe.schedule));
  CHECK(first.recipe.label_smoothing == 0);
  CHECK(!first.max_minutes);
}

TEST_CASE(
    "what version 0.1 had under other names: other optimisers, schedules and augmentations, and no runs of fine-tuning") {
  const auto old = [](const char* path, Json value) {
    Json json = Json::parse(version_0_1);
    json[Json::json_pointer(path)] = std::move(value);
    return json.dump();
  };
  const auto read = [&](const char* path, Json value) { return parse_run_config(old(path, std::move(value)), "c").recipe; };
  const Recipe adam = read("/recipe/optimizer/kind", "adam");
  CHECK(std::string(kind_of(adam.optimizer)) == "adam-keras");  // its form
  Json pytorch = Json::parse(version_0_1);
  pytorch["recipe"]["optimizer"]["kind"] = "adam", pytorch["recipe"]["optimizer"]["form"] = "pytorch";
  CHECK(std::string(kind_of(parse_run_config(pytorch.dump(), "c").recipe.optimizer)) == "adam");
  CHECK(read("/recipe/augment", true).augment.text() == "standard");
  CHECK(read("/recipe/augment", false).augment.text() == "none");
  const Recipe constant = read("/recipe/schedule", {{"kind", "constant"}, {"warmup", 0.2}, {"first", 0.1}, {"last", 0.0}});
  CHECK(std::holds_alternative<ConstantRate>(constant.schedule));
  CHECK_FALSE(parse_run_config(old("/conv", "auto"), "c").direct_convolution);

  CHECK_THROWS_WITH(parse_run_config(old("/finetune", Json::object()), "c"), Contains("wrote no checkpoints"));
  CHECK_THROWS_WITH(parse_run_config(old("/recipe", 3), "c"), Contains("c: recipe must be an object, not 3"));
  CHECK_THROWS_WITH(parse_run_config(old("/recipe/optimizer", "sgd"), "c"), Contains("recipe.optimizer"));
  CHECK_THROWS_WITH(parse_run_config(old("/recipe/schedule", 0), "c"), Contains("recipe.schedule"));
  CHECK_THROWS_WITH(parse_run_config(old("/recipe/optimizer", {{"learning_rate", 0.1}}), "c"),
                    Contains("recipe.optimizer.kind"));
}

TEST_CASE("a configuration of a newer version is refused, and says so") {
  CHECK_THAT(refusal(with("/version", 99)), Contains("version 99") && Contains("newer"));
  CHECK_THAT(refusal(with("/recipe/lookahead", 0.5)), Contains("recipe.'lookahead'") && Contains("version"));
  CHECK_THAT(refusal(with("/recipe/optimizer/beta3", 0.99)), Contains("recipe.optimizer.'beta3'"));
  CHECK_THAT(refusal(with("/recipe/optimizer/kind", "shampoo")), Contains("recipe.optimizer.kind") && Contains("sgd"));
}

TEST_CASE("every field of a configuration is checked against what it means") {
  const Json nan = nullptr;  // how JSON writes it
  for (const auto& [path, value, name] : std::initializer_list<std::tuple<const char*, Json, const char*>>{
           {"/recipe/batch_size", 0, "recipe.batch_size"},
           {"/recipe/batch_size", 1e300, "recipe.batch_size"},
           {"/recipe/batch_size", "abc", "recipe.batch_size"},
           {"/recipe/batch_size", 2.5, "recipe.batch_size"},
           {"/recipe/batch_size", 18446744073709551615u, "recipe.batch_size"},
           {"/recipe/classes", {-1, 3}, "recipe.classes[0]"},
           {"/recipe/classes", {3, 3}, "recipe.classes"},
           {"/recipe/classes", {1, 5000000000}, "recipe.classes[1]"},
           {"/recipe/epochs", -1, "recipe.epochs"},
           {"/recipe/seed", -1, "recipe.seed"},
           {"/recipe/label_smoothing", 1.5, "recipe.label_smoothing"},
           {"/recipe/label_smoothing", nan, "recipe.label_smoothing"},
           {"/recipe/precision", "fp8", "recipe.precision"},
           {"/recipe/normalization", "0.1,0.2/1,1,1", "recipe.normalization"},
           {"/recipe/normalization", "0,0,0/1,0,1", "recipe.normalization"},
           {"/recipe/validation", 3, "recipe.validation"},
           {"/recipe/augment", 1, "recipe.augment"},
           {"/recipe/optimizer", 3, "recipe.optimizer"},
           {"/recipe/optimizer/learning_rate", -0.1, "recipe.optimizer.learning_rate"},
           {"/recipe", nullptr, "recipe"},
           {"/phases/0/epochs", -2, "phases[0].epochs"},
           {"/phases/1/learning_rate", "fast", "phases[1].learning_rate"},
           {"/outputs", 0, "outputs"},
           {"/dropout", 1, "dropout"},
           {"/threads", 5000, "threads"},
           {"/max_steps", 0, "max_steps"},
           {"/max_minutes", 0, "max_minutes"},
           {"/limit_train", -4, "limit_train"},
           {"/kernels", "best", "kernels"},
           {"/residual", 1, "residual must be true or false"},
           {"/recipe/classes", 3, "recipe.classes"},
           {"/phases", {{"epochs", 1}}, "phases"},
           {"/network", "", "network"},
           {"/network", 7, "network"}}) {
    INFO(path << " = " << value.dump());
    CHECK_THAT(refusal(with(path, value)), Contains(std::string("run/config.json: ") + name));
  }
  CHECK_THROWS_WITH(parse_run_config("{\"network\": ", "run/config.json"), Contains("run/config.json: not JSON at byte"));
  CHECK_THROWS_WITH(parse_run_config("[]", "run/config.json"), Contains("not a JSON object"));
  CHECK_THROWS_WITH(parse_run_config(std::string(100000, '['), "run/config.json"), Contains("nested too deeply"));
}

TEST_CASE("a new head without weights to put it on is refused") {
  Json json = Json::parse(to_json(sample()));
  json["new_head"] = true, json["weights"] = "";
  CHECK_THROWS_WITH(parse_run_config(json.dump(), "c"), Contains("new_head without weights"));
}

TEST_CASE("what changes between two configurations is named") {
  RunConfig other = sample();
  other.recipe.epochs = 9;
  other.recipe.optimizer = Sgd::Options{.learning_rate = 0.5};
  CHECK(differences(sample(), other) ==
        std::vector<std::string>{"recipe.epochs 5 → 9", "recipe.optimizer \"adam\" → \"sgd\""});
}

TEST_CASE("a number that no double holds is a fault of the file, not of the program") {
  CHECK_THROWS_WITH(parse_run_config(R"({"network": -1e347})", "config.json"),
                    Catch::Contains("config.json: holds a number beyond what a double can"));
}

TEST_CASE("normalisations are values, some of which have names") {
  CHECK(Normalization::parse("none") == Normalization::none);
  CHECK(Normalization::parse("cifar10") == Normalization::cifar10);
  CHECK(Normalization::cifar10.text() == "cifar10");
  const Normalization own{.mean = {0.1f, -2.5f, 1e-7f}, .std = {1.0f / 3, 7, 1e30f}};
  CHECK(Normalization::parse(own.text()) == own);
  CHECK(Normalization::parse("0.5/0.25") == Normalization{.mean = {0.5f}, .std = {0.25f}, .channels = 1});
  for (const char* text : {"", "cifar", "1,2,3", "1,2,3/1,1", "1,2,3/1,1,0", "1,2,3/1,1,nan", "1,2,3/1,1,1,",
                           "inf,0,0/1,1,1", "1/2/3", "1,2,3,4,5/1,1,1,1,1", "/", "1,2/1"})
    CHECK(!Normalization::parse(text));
}

TEST_CASE("a normalisation of colours becomes one of grey") {
  const Normalization grey = Normalization::cifar10.of_channels(1);
  CHECK(grey.channels == 1);
  // 0.299·0.4914 + 0.587·0.4822 + 0.114·0.4465, and the same of the deviations
  CHECK(grey.mean[0] == Approx(0.48088).margin(1e-5));
  CHECK(grey.std[0] == Approx(0.20045).margin(1e-5));
  CHECK(grey.text() == "cifar10");
  CHECK(Normalization::parse(grey.text())->of_channels(1) == grey);
  CHECK(Normalization::cifar10.of_channels(3) == Normalization::cifar10);
  CHECK(Normalization::none.of_channels(1).text() == "none");
  CHECK(Normalization::parse("0.5/0.25")->of_channels(3).text() == "0.5,0.5,0.5/0.25,0.25,0.25");
  CHECK_THROWS_AS(Normalization::cifar10.of_channels(2), UsageError);
  CHECK_THROWS_AS(Normalization::none.of_channels(5), UsageError);
}

TEST_CASE("a run of grey images is remembered, and an older configuration is of colours") {
  RunConfig config = sample();
  config.network_options.channels = 1;
  config.recipe.normalization = Normalization::cifar10_true.of_channels(1);
  const RunConfig read = parse_run_config(to_json(config), "config.json");
  CHECK(read.network_options.channels == 1);
  CHECK(read.recipe.normalization == config.recipe.normalization);
  std::string without = to_json(config);
  const std::string line = "  \"channels\": 1,\n";
  REQUIRE(without.find(line) != std::string::npos);
  without.erase(without.find(line), line.size());
  CHECK(parse_run_config(without, "config.json").network_options.channels == 3);
}

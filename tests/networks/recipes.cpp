// The recipes of the catalogue against the tutorials' tables, and what weights files remember of them.

#include <algorithm>

#include "engine/run/run.h"
#include "engine/run/weights.h"
#include "models/saved_network.h"
#include "tests/catch.h"
#include "tests/networks/script.h"

using namespace tessera;

namespace {

struct Row {
  const char *network, *recipe;
  std::int64_t batch, epochs;
  const char* optimizer;
  double learning_rate, momentum, weight_decay;
  Validation validation;
  std::size_t classes;
  BestRule best;
};
constexpr auto last = BestRule::last, lowest = BestRule::lowest_validation_loss,
               highest = BestRule::highest_validation_accuracy;
constexpr auto test_set = Validation::test_set;
constexpr Row rows[] = {
    {"resnet34_transfer", "R000a", 32, 10, "adam-keras", 1e-3, 0, 0, test_set, 8, last},
    {"resnet34_transfer_binary", "R000c", 32, 10, "sgd", 0.01, 0, 0, test_set, 2, last},
    {"resnet18_maxpool", "R001", 100, 100, "sgd", 0.005, 0.9, 0, Validation::last_tenth, 0, last},
    {"baseline", "R002-baseline", 32, 5, "adam-keras", 1e-3, 0, 0, test_set, 0, lowest},
    {"lenet5_sigmoid", "R002-lenet5", 32, 5, "adam-keras", 1e-3, 0, 0, test_set, 0, lowest},
    {"alexnet8", "R002-alexnet8", 32, 5, "adam-keras", 1e-3, 0, 0, test_set, 0, lowest},
    {"vgg16", "R002-vgg16", 32, 5, "adam-keras", 1e-3, 0, 0, test_set, 0, lowest},
    {"inception10", "R002-inception10", 1024, 5, "adam-keras", 1e-3, 0, 0, test_set, 0, lowest},
    {"resnet18", "R002-resnet18", 32, 5, "adam-keras", 1e-3, 0, 0, test_set, 0, lowest},
    {"lenet5_relu", "R003-lenet5", 32, 100, "adam", 1e-3, 0, 0, test_set, 0, last},
    {"resnet_mini", "R003-resnet", 32, 100, "adam", 1e-3, 0, 0, test_set, 0, last},
    {"resnet18_imagenet", "R004-api", 64, 30, "adam", 1e-3, 0, 0.005, Validation::fifth_batch, 0, highest},
    {"resnet18_nndl", "R004-custom", 64, 30, "adam", 1e-3, 0, 0.005, Validation::fifth_batch, 0, highest},
};

}  // namespace

TEST_CASE("every network of a tutorial has its recipe") {
  // Theirs are called R…; a network that is of no tutorial has a recipe of another name.
  CHECK(std::ranges::count_if(catalogue(), [](const NetworkEntry& entry) { return entry.recipe.id.starts_with("R0"); }) ==
        std::ssize(rows));
  for (const Row& row : rows) {
    INFO(row.network);
    const Recipe& r = require_network(row.network).recipe;
    CHECK(r.id == row.recipe);
    CHECK(r.batch_size == row.batch);
    CHECK(r.epochs == row.epochs);
    CHECK(kind_of(r.optimizer) == std::string(row.optimizer));
    CHECK(learning_rate_of(r.optimizer) == row.learning_rate);
    CHECK(field_of(r.optimizer, "momentum").value_or(0) == row.momentum);
    CHECK(field_of(r.optimizer, "weight_decay") == row.weight_decay);
    CHECK(r.validation == row.validation);
    CHECK(r.classes.size() == row.classes);
    CHECK(r.best == row.best);
    CHECK(r.top5 == (r.id == "R001"));
    CHECK(r.last_batch_loss == r.id.starts_with("R003"));
    const bool paddle = r.id.starts_with("R004");
    CHECK(r.test_best == paddle);
    CHECK(r.normalization == (paddle ? Normalization::cifar10 : Normalization::none));
    CHECK(r.evaluate_every_steps == (paddle ? 3000 : 0));
    CHECK(r.log_every_steps == (paddle ? 3000 : 0));
    CHECK(r.loss_average == (paddle ? LossAverage::by_batches : LossAverage::by_samples));
    CHECK((r.seed == 100) == paddle);
    CHECK(r.shuffle);
    CHECK(r.augment == Augmentation::none);
  }
  CHECK(require_network("resnet34_transfer").recipe.classes == std::vector<std::int32_t>{0, 1, 2, 3, 4, 5, 6, 9});
  CHECK(require_network("resnet34_transfer_binary").recipe.classes == std::vector<std::int32_t>{7, 8});
}

TEST_CASE("airbench94's recipe is that of its paper") {
  const Recipe& r = require_network("airbench94").recipe;
  CHECK((r.batch_size == 2000 && r.epochs == 8 && r.label_smoothing == 0.2));
  CHECK((r.summed_loss && r.drop_last && r.shuffle && r.best == BestRule::last && r.test_views == Views::six));
  CHECK(r.normalization == Normalization::cifar10_true);
  CHECK(r.augment == Augmentation::airbench);
  CHECK(kind_of(r.schedule) == std::string("linear"));
  CHECK(std::get<Muon::Options>(r.optimizer).learning_rate == 0.24);
  CHECK(std::get<Muon::Options>(r.optimizer).momentum == 0.6);
  const std::tuple<const char*, double, double, std::optional<std::int64_t>> groups[] = {
      {"whiten.bias", 0.053, 0.004 / 0.053, 3},
      {"*.bias", 0.053, 0.004 / 0.053, {}},
      {"head.weight", 0.67, 0.004 / 0.67, {}}};
  REQUIRE(r.groups.size() == 3);
  for (std::size_t i = 0; i < 3; ++i) {
    const auto& [pattern, rate, decay, epochs] = groups[i];
    const auto& sgd = std::get<Sgd::Options>(r.groups[i].optimizer);
    CHECK(r.groups[i].pattern == pattern);
    CHECK((sgd.learning_rate == rate && sgd.momentum == 0.85 && sgd.nesterov && r.groups[i].epochs == epochs));
    CHECK(sgd.weight_decay == Approx(decay).epsilon(1e-12));
  }
}

TEST_CASE("weights remember the head, the classes and the normalization they were trained with") {
  const golden::TemporaryFolder folder;
  const auto device = Device::open({.device = "cpu", .options = {.threads = 1}});
  RunConfig config;
  config.network = "lenet5_relu";
  config.network_options.outputs = 2;
  config.recipe = require_network(config.network).recipe;
  config.recipe.classes = {3, 5};
  config.recipe.normalization = Normalization::cifar10;
  const auto network = require_network(config.network).make(config.network_options);
  const ParameterStore store(*network, device, 1);
  const Metadata metadata = weights_metadata(config, network->outputs(), {"cat", "dog"});

  const auto reread = [&](const Metadata& m) {
    const std::filesystem::path path = folder / "weights.safetensors";
    save_weights(path, store, m);
    return config_of(Safetensors::read(path), "");
  };
  const RunConfig read = reread(metadata);
  CHECK(read.network == "lenet5_relu");
  CHECK(read.network_options.outputs == 2);
  CHECK(read.recipe.classes == std::vector<std::int32_t>{3, 5});
  CHECK(read.recipe.normalization == Normalization::cifar10);

  const auto changed = [&](const char* key, const char* value) {
    Metadata m = metadata;
    m[key] = value;
    return m;
  };
  CHECK(reread(changed("labels", "")).recipe.classes.empty());
  CHECK_THROWS_AS(reread(changed("labels", "3,x")), WeightsError);
  CHECK_THROWS_AS(reread(changed("labels", "-1")), WeightsError);
  CHECK_THROWS_AS(reread(changed("outputs", "0")), WeightsError);
  CHECK_THROWS_AS(reread(changed("residual", "false")), WeightsError);
  CHECK_THROWS_AS(reread(changed("network", "lenet6")), WeightsError);
}

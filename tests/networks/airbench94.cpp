// airbench94's recipe against the numbers of airbench94_oracle.py: whitening, six views, Muon alone, and twelve steps of all
// its rules together.
#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

#include "engine/nn/whitening.h"
#include "engine/run/weights.h"
#include "engine/train/fit.h"
#include "engine/train/initialize.h"
#include "engine/train/views.h"
#include "tests/catch.h"
#include "tests/networks/generator.h"
#include "tests/networks/measure.h"

using namespace tessera;
using namespace tessera::golden;

namespace {

constexpr std::int64_t image_count = 40, batch = 12;

const nlohmann::json& oracle() {
  static const nlohmann::json all = [] {
    std::ifstream file(std::string(TESSERA_NETWORK_TESTS) + "/golden/airbench94_recipe.json");
    return nlohmann::json::parse(file);
  }();
  return all;
}

ImageSet images() {
  ImageSet set{.count = image_count, .height = 32, .width = 32, .channels = 3};
  for (const float v : generated_images("airbench94", image_count))
    set.pixels.push_back(static_cast<std::uint8_t>(std::lround(v * 255)));
  set.labels = generated_labels("airbench94", image_count, 10);
  return set;
}

struct Trainee {
  explicit Trainee(const std::shared_ptr<Device>& device) : network(require_network("airbench94").make({})) {
    store.emplace(*network, device, 1);
    for (const Parameter* p : store->parameters()) generate("airbench94", p->path(), p->value());
    for (const Buffer* b : store->buffers()) generate("airbench94", b->path(), b->value());
    store->values_changed();
  }
  std::unique_ptr<Network> network;
  std::optional<ParameterStore> store;
};

Recipe recipe() {
  Recipe r = require_network("airbench94").recipe;
  r.batch_size = batch, r.epochs = 4;
  r.augment = Augmentation::none, r.shuffle = false;
  return r;
}

struct Losses : FitObserver {
  void on_step(const Fit& fit) override { values.push_back(fit.batch_loss()); }
  std::vector<double> values;
};

std::vector<std::string> devices() {
  return kernels::find_backend("cuda") ? std::vector<std::string>{"cpu", "reference", "cuda"}
                                       : std::vector<std::string>{"cpu", "reference"};
}

}  // namespace

TEST_CASE("airbench94: whitening filters are NumPy's, up to the sign of a vector") {
  Trainee trainee(Device::open({.device = "cpu"}));
  const Parameter& weight = *trainee.store->parameters().front();
  REQUIRE(weight.path() == "whiten.weight");
  initialize_from(*trainee.network, *trainee.store, images(), Normalization::cifar10_true);
  const std::vector<double> filters = to_file(weight.value()).values;
  const auto expected = oracle()["whitening"].get<std::vector<std::vector<double>>>();
  REQUIRE(filters.size() == 24 * 12);
  for (std::size_t i = 0; i < 24; ++i) {
    double same = 0, opposite = 0, largest = 0;
    for (std::size_t j = 0; j < 12; ++j) {
      same = std::max(same, std::abs(filters[i * 12 + j] - expected[i][j]));
      opposite = std::max(opposite, std::abs(filters[i * 12 + j] + expected[i][j]));
      largest = std::max(largest, std::abs(expected[i][j]));
      CHECK(filters[i * 12 + j] == -filters[(i + 12) % 24 * 12 + j]);
    }
    INFO("filter " << i);
    CHECK(std::min(same, opposite) <= 1e-5 * largest);
  }
  CHECK_THROWS_AS(whitening_filters({}, {0, 32, 32, 3}, 2, 5e-4), ShapeError);
}

TEST_CASE("airbench94: the outputs over six views, and the one view beside them") {
  for (const std::string& name : devices()) {
    INFO(name);
    const auto device = Device::open({.device = name});
    Trainee trainee(device);
    const DeviceImages all = DeviceImages::upload(slice(images(), 0, 4), device);
    const ImageBatches source(all, gather_params(Normalization::cifar10_true, Augmentation::none, 0));
    const SixViews views(all, Normalization::cifar10_true);
    std::vector<float> logits;
    const Evaluation e = evaluate(*trainee.network, source,
                                  {.batch_size = 3,
                                   .on_batch =
                                       [&](const Tensor& z, const Tensor&) {
                                         const std::vector<float> values = z.to_host<float>();
                                         logits.insert(logits.end(), values.begin(), values.end());
                                       },
                                   .views = views.views()});
    const auto expected = oracle()["views"].get<std::vector<std::vector<double>>>(),
               one = oracle()["one"].get<std::vector<std::vector<double>>>();
    double largest = 0, apart = 0;
    int right = 0, right_of_one = 0;
    const auto best = [](const std::vector<double>& row) { return std::max_element(row.begin(), row.end()) - row.begin(); };
    for (std::size_t i = 0; i < 4; ++i) {
      for (std::size_t j = 0; j < 10; ++j) {
        largest = std::max(largest, std::abs(expected[i][j]));
        apart = std::max(apart, std::abs(expected[i][j] - one[i][j]));
      }
      right += best(expected[i]) == images().labels[i], right_of_one += best(one[i]) == images().labels[i];
    }
    for (std::size_t i = 0; i < logits.size(); ++i)
      CHECK(logits[i] == Approx(expected[i / 10][i % 10]).margin(2e-5 * largest));
    CHECK(apart > 1e-3 * largest);  // the views make a difference
    CHECK(e.accuracy == right / 4.0);
    CHECK(e.one_view == right_of_one / 4.0);
  }
}

TEST_CASE("Muon: twenty steps of a tall and of a wide matrix") {
  struct Two : Module {
    void visit(Visitor& v) override { v("tall", tall), v("wide", wide); }
    Parameter tall{{20, 12}, Init::zeros, {}}, wide{{12, 45}, Init::zeros, {}};
  };
  for (const std::string& name : devices())
    for (const DType dtype : {DType::f32, DType::f64}) {
      if (dtype == DType::f64 && name != "reference") continue;
      INFO(name);
      const auto device = Device::open({.device = name});
      Two two;
      ParameterStore store(two, device, 1, dtype);
      Muon muon(store);
      for (const Parameter* p : store.parameters()) generate("muon", "w." + std::to_string(p->shape()[0]), p->value());
      for (int s = 0; s < 20; ++s) {
        for (const Parameter* p : store.parameters()) {
          const Tensor gradient = p->value().like();
          generate("muon", "g." + std::to_string(p->shape()[0]) + "." + std::to_string(s), gradient);
          p->node()->pass(gradient);
        }
        muon.learning_rate = 0.24 * (1 - s / 20.0);
        muon.step();
      }
      for (const auto& expected : oracle()["muon"]) {
        const Parameter& p = *store.parameters()[expected["rows"] == 20 ? 0 : 1];
        const std::vector<double> values = to_file(p.value()).values;
        double worst = 0;
        for (std::size_t i = 0; i < values.size(); ++i)
          worst = std::max(worst, std::abs(values[i] - expected["values"][i].get<double>()));
        CHECK(worst <= (dtype == DType::f64 ? 1e-11 : 2e-5));
      }
    }
}

TEST_CASE("airbench94: twelve steps of the recipe") {
  for (const std::string& name : devices()) {
    if (name == "reference") continue;  // it takes minutes
    INFO(name);
    const auto device = Device::open({.device = name});
    Trainee trainee(device);
    ImageBatches source(DeviceImages::upload(images(), device),
                        gather_params(Normalization::cifar10_true, Augmentation::none, 0));
    Fit fit(*trainee.network, *trainee.store, recipe(), source, nullptr);
    CHECK(fit.steps_per_epoch() == 3);
    CHECK(fit.total_steps() == 12);
    Losses losses;
    fit.add(losses);
    fit.run();
    const auto expected = oracle()["losses"].get<std::vector<double>>();
    REQUIRE(losses.values.size() == expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i) {
      INFO("step " << i);
      // Float32 and float64 stay together until the first maximum of a pool changes places; then orthogonal steps, which
      // know no small gradient, draw them apart.
      CHECK(losses.values[i] == Approx(expected[i]).epsilon(i < 5 ? 2e-6 : 1e-3));
    }
    std::map<std::string, Tensor> tensors;
    for (const Parameter* p : trainee.store->parameters()) tensors[p->path()] = p->value();
    for (const Buffer* b : trainee.store->buffers()) tensors[b->path()] = b->value();
    for (const auto& expected_tensor : oracle()["tensors"]) {
      const auto path = expected_tensor["name"].get<std::string>();
      const double rms_expected = expected_tensor["rms"];
      const std::vector<double> values = to_file(tensors.at(path)).values;
      INFO(path);
      double squares = 0;
      for (const double v : values) squares += v * v / static_cast<double>(values.size());
      CHECK(std::sqrt(squares) == Approx(rms_expected).epsilon(path.find("running") == path.npos ? 3e-3 : 3e-2));
      if (!path.ends_with("bias") && path != "head.weight") continue;
      for (const auto& sample : expected_tensor["samples"])
        CHECK(values[sample[0].get<std::size_t>()] == Approx(sample[1].get<double>()).margin(2e-2 * rms_expected));
    }
  }
}

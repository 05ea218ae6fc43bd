// Optimisers on a real ParameterStore: trajectories against plain double code written from the frameworks' formulas.
#include <cmath>
#include <functional>

#include "engine/nn/layers.h"
#include "engine/optim/optimizers.h"
#include "engine/train/batches.h"
#include "tests/catch.h"
#include "tests/engine/devices.h"

using namespace tessera;
using namespace tessera::test;

namespace {

constexpr int steps = 20;
constexpr double learning_rate = 0.01;

struct Three : Module {
  void visit(Visitor& v) override { v("first", first), v("unused", unused), v("last", last); }
  Linear first{9, 11}, unused{4, 4}, last{16, 8};
};

// Gradient of element i at step t (from 1): magnitudes 1, ½, … 2^-31, so that it shows where ε stands.
double gradient(int t, std::size_t i) {
  RandomStream random(static_cast<std::uint64_t>(t), Purpose::test, i);
  return static_cast<float>(std::ldexp(random.normal(), -static_cast<int>(i % 32)));
}

// One element's way, in double, straight from the published update rules.
std::vector<double> expected_path(const OptimizerOptions& options, double w, std::size_t i, double rate = learning_rate) {
  std::vector<double> path;
  double velocity = 0, m = 0, v = 0;
  for (int t = 1; t <= steps; ++t) {
    const double decay = field_of(options, "weight_decay").value();
    const bool decoupled = std::holds_alternative<AdamW::Options>(options);
    if (decoupled) w -= rate * decay * w;  // PyTorch: before the step, by the rate
    const double g = gradient(t, i) + (decoupled ? 0 : decay * w);
    if (std::holds_alternative<Lion::Options>(options)) {  // Chen et al. 2023, algorithm 2
      const double mixed = 0.9 * m + 0.1 * gradient(t, i);
      w -= rate * ((mixed > 0 ? 1 : mixed < 0 ? -1 : 0) + decay * w);
      m = 0.99 * m + 0.01 * gradient(t, i);
    } else if (const auto* sgd = std::get_if<Sgd::Options>(&options)) {
      velocity = sgd->momentum * velocity + g;  // PyTorch: v ← μ·v + g;  w ← w − lr·v, Nesterov w ← w − lr·(g + μ·v)
      w -= rate * (sgd->nesterov ? g + sgd->momentum * velocity : velocity);
    } else {
      m = 0.9 * m + 0.1 * g;
      v = 0.999 * v + 0.001 * g * g;
      const double c1 = 1 - std::pow(0.9, t), c2 = 1 - std::pow(0.999, t);
      if (std::holds_alternative<AdamKeras::Options>(options))
        w -= rate * std::sqrt(c2) / c1 * m / (std::sqrt(v) + 1e-7);
      else
        w -= rate / c1 * m / (std::sqrt(v) / std::sqrt(c2) + 1e-8);
    }
    path.push_back(w);
  }
  return path;
}

double start_value(std::size_t i) { return i % 2 ? 0.0 : static_cast<float>(0.5 + 0.01 * static_cast<double>(i % 40)); }

std::vector<double> per_element(const Parameter& p, const std::function<double(std::size_t)>& value) {
  std::vector<double> values;
  for (std::size_t i = 0; i < static_cast<std::size_t>(p.count()); ++i) values.push_back(value(i));
  return values;
}

void set(const Tensor& to, const std::vector<double>& values) {
  if (to.dtype() == DType::f64)
    to.copy_from(std::span<const double>(values));
  else
    to.copy_from(std::span<const float>(std::vector<float>(values.begin(), values.end())));
}

struct Trainee {
  Trainee(const OptimizerOptions& config, const std::shared_ptr<Device>& device, DType dtype,
          std::span<const ParameterGroup> groups = {})
      : store(network, device, 1, dtype), optimizer(make_optimizer(config, store, groups)), state(device) {
    for (const Parameter* p : store.parameters()) set(p->value(), per_element(*p, start_value));
  }

  // Step t, from 1. The gradients of the layer `unused` stay away.
  void step(int t, const kernels::StepGuard* guard = nullptr, double group1 = 0, double group2 = 0) {
    store.clear_gradients();
    for (const Parameter* p : store.parameters())
      if (!p->path().starts_with("unused")) {
        const auto values = per_element(*p, [t](std::size_t i) { return gradient(t, i); });
        p->node()->pass(upload(p->value().device(), p->shape(), values, p->value().dtype()));
      }
    state.write({.step = t - 1, .learning_rate = {learning_rate, group1, group2}});
    optimizer->update(state.device_pointer(), guard);
  }

  Three network;
  ParameterStore store;
  std::unique_ptr<Optimizer> optimizer;
  StepStateBuffer state;
};

struct Named {
  const char* name;
  OptimizerOptions config;
};
const Named configs[] = {
    {"sgd", Sgd::Options{}},
    {"sgd, weight decay", Sgd::Options{.weight_decay = 0.05}},
    {"momentum", Sgd::Options{.momentum = 0.9}},
    {"momentum, weight decay", Sgd::Options{.weight_decay = 0.05, .momentum = 0.9}},
    {"nesterov", Sgd::Options{.momentum = 0.9, .nesterov = true}},
    {"nesterov, weight decay", Sgd::Options{.weight_decay = 0.05, .momentum = 0.9, .nesterov = true}},
    {"adam, Keras' form", AdamKeras::Options{}},
    {"adam, Keras' form, weight decay", AdamKeras::Options{.weight_decay = 0.05}},
    {"adam", Adam::Options{}},
    {"adam, weight decay", Adam::Options{.weight_decay = 0.05}},
    {"adamw", AdamW::Options{}},
    {"adamw, strong weight decay", AdamW::Options{.weight_decay = 0.5}},
    {"lion", Lion::Options{}},
    {"lion, weight decay", Lion::Options{.weight_decay = 0.5}},
};

// Each element at each step, relative to the largest value on its way: half of them start from zero.
void check_trajectory(const Named& c, const std::shared_ptr<Device>& device, DType dtype, double tolerance) {
  INFO(c.name << " on " << device->name() << ", " << kernels::name_of(dtype));
  Trainee trainee(c.config, device, dtype);
  std::vector<std::vector<double>> expected;
  for (std::size_t i = 0; i < 16 * 8; ++i) expected.push_back(expected_path(c.config, start_value(i), i));
  int wrong = 0;
  for (int t = 1; t <= steps; ++t) {
    trainee.step(t);
    for (const Parameter* p : trainee.store.parameters()) {
      if (p->path().starts_with("unused")) continue;
      const std::vector<double> values = download(p->value());
      for (std::size_t i = 0; i < values.size(); ++i) {
        double scale = std::abs(start_value(i));
        for (int s = 0; s < t; ++s) scale = std::max(scale, std::abs(expected[i][static_cast<std::size_t>(s)]));
        const double error = std::abs(values[i] - expected[i][static_cast<std::size_t>(t - 1)]);
        if (!(error <= tolerance * scale) && wrong++ == 0)
          FAIL_CHECK(p->path() << " element " << i << " after step " << t << ": " << values[i] << ", expected "
                               << expected[i][static_cast<std::size_t>(t - 1)]);
      }
    }
  }
  CHECK(wrong == 0);

  // What received no gradient has not moved, and nothing is remembered of it; nor has the padding between parameters.
  for (const Parameter* p : {&trainee.network.unused.weight, &trainee.network.unused.bias})
    CHECK(download(p->value()) == per_element(*p, start_value));
  const auto& parameters = trainee.store.parameters();
  std::vector<std::pair<std::string, Tensor>> flat{{"values", trainee.store.values()}};
  for (const auto& [name, tensor] : trainee.optimizer->memory()) flat.emplace_back(name, tensor);
  for (const auto& [name, tensor] : flat) {
    INFO(name);
    const std::vector<double> all = download(tensor);
    double stray = 0;
    for (std::size_t k = 0; k < parameters.size(); ++k) {
      const bool idle = name != "values" && parameters[k]->path().starts_with("unused");
      const std::int64_t first = trainee.store.offset(k) + (idle ? 0 : parameters[k]->count());
      for (std::int64_t i = first; i < trainee.store.offset(k + 1); ++i) stray += std::abs(all[static_cast<std::size_t>(i)]);
    }
    CHECK(stray == 0);
  }
}

}  // namespace

TEST_CASE("optimisers follow the published rules, in float64") {
  for (const Named& c : configs) check_trajectory(c, reference(), DType::f64, 1e-12);
}

TEST_CASE("optimisers follow the published rules, in float32 on every backend") {
  std::vector<std::string> backends = fast_backends();
  backends.push_back("reference");
  for (const std::string& name : backends)
    for (const Named& c : configs) check_trajectory(c, open(name), DType::f32, 1e-5);
}

TEST_CASE("the two forms of Adam differ where gradients are small: the check above can tell them apart") {
  const OptimizerOptions keras = AdamKeras::Options{}, pytorch = Adam::Options{};
  const double a = expected_path(keras, 0, 31).back(), b = expected_path(pytorch, 0, 31).back();
  CHECK(std::abs(a - b) > 0.1 * std::abs(b));
}

TEST_CASE("a guard that says skip stops every change") {
  for (const std::string& name : {std::string("reference"), std::string("cpu"), std::string("emulated")}) {
    if (!kernels::find_backend(name)) continue;
    const auto device = open(name);
    for (const Named& c : configs) {
      INFO(c.name << " on " << name);
      Trainee trainee(c.config, device, DType::f32);
      const Tensor guard = Tensor::zeros(device, {sizeof(kernels::StepGuard)}, DType::u8);
      const auto* on_device = static_cast<const kernels::StepGuard*>(guard.data());
      trainee.step(1, on_device);
      const auto values = download(trainee.store.values());
      const auto memory = trainee.optimizer->memory();
      std::vector<std::vector<double>> remembered;
      for (const auto& [key, tensor] : memory) remembered.push_back(download(tensor));

      const kernels::StepGuard skip{.skip = 1, .consecutive = 1, .skipped = 1};
      device->upload(guard.data(), &skip, sizeof skip);
      trainee.step(2, on_device);
      CHECK(download(trainee.store.values()) == values);
      std::size_t k = 0;
      for (const auto& [key, tensor] : memory) CHECK(download(tensor) == remembered[k++]);

      const kernels::StepGuard go;
      device->upload(guard.data(), &go, sizeof go);
      trainee.step(2, on_device);
      CHECK(download(trainee.store.values()) != values);
    }
  }
}

TEST_CASE("names of optimisers and of what they remember") {
  Three network;
  ParameterStore store(network, reference(), 1);
  const auto keys = [&](const OptimizerOptions& config) {
    std::string list;
    for (const auto& [name, tensor] : make_optimizer(config, store)->memory()) list += name + " ";
    return list;
  };
  CHECK(keys(Sgd::Options{}).empty());
  CHECK(keys(Sgd::Options{.momentum = 0.9}) == "velocity ");
  CHECK(keys(Adam::Options{}) == "moment1 moment2 ");
  CHECK(kind_of(OptimizerOptions(Sgd::Options{})) == std::string("sgd"));
  CHECK(kind_of(OptimizerOptions(Adam::Options{})) == std::string("adam"));
  CHECK(kind_of(OptimizerOptions(AdamKeras::Options{})) == std::string("adam-keras"));
}

TEST_CASE("options of an optimiser are found by their words") {
  OptimizerOptions options = Kinds<OptimizerOptions>::make("adam-keras").value();
  CHECK(std::get<AdamKeras::Options>(options).epsilon == 1e-7);
  CHECK(std::get<Adam::Options>(Kinds<OptimizerOptions>::make("adam").value()).epsilon == 1e-8);
  CHECK(!Kinds<OptimizerOptions>::make("adagrad"));
  CHECK(set_field(options, "weight_decay", 0.5));
  CHECK(field_of(options, "weight_decay") == 0.5);
  CHECK(!set_field(options, "momentum", 0.9));
  CHECK(!field_of(options, "momentum"));
}

TEST_CASE("groups of parameters follow rules and rates of their own") {
  const OptimizerOptions rest = Adam::Options{};
  const std::vector<ParameterGroup> groups = {{.pattern = "*.bias", .optimizer = Sgd::Options{.momentum = 0.9}},
                                              {.pattern = "la*t.*", .optimizer = AdamW::Options{.weight_decay = 0.5}}};
  Trainee trainee(rest, reference(), DType::f64, groups);
  for (int t = 1; t <= steps; ++t) trainee.step(t, nullptr, 2 * learning_rate, learning_rate / 2);
  const auto check = [&](const Parameter& p, const OptimizerOptions& options, double rate) {
    INFO(p.path());
    const std::vector<double> values = download(p.value());
    for (std::size_t i = 0; i < values.size(); ++i)
      CHECK(values[i] == Approx(expected_path(options, start_value(i), i, rate).back()).epsilon(1e-9).margin(1e-12));
  };
  check(trainee.network.first.weight, rest, learning_rate);
  check(trainee.network.first.bias, groups[0].optimizer, 2 * learning_rate);
  check(trainee.network.last.bias, groups[0].optimizer, 2 * learning_rate);  // the first group that matches
  check(trainee.network.last.weight, groups[1].optimizer, learning_rate / 2);

  std::string names;  // one tensor for both groups of Adam's kind
  for (const auto& [name, tensor] : trainee.optimizer->memory()) names += name + " ";
  CHECK(names == "moment1 moment2 velocity ");

  CHECK_THROWS_WITH(make_optimizer(rest, trainee.store, std::vector<ParameterGroup>{{.pattern = "lost.*"}}),
                    Catch::Contains("lost.*"));
  CHECK_THROWS_AS(make_optimizer(rest, trainee.store, std::vector<ParameterGroup>(8, {.pattern = "first.*"})), UsageError);
}

TEST_CASE("rates of groups: their own, by their own schedule or the recipe's") {
  const std::vector<ParameterGroup> groups = {
      {.pattern = "a", .optimizer = Sgd::Options{.learning_rate = 0.8}},
      {.pattern = "b", .optimizer = Sgd::Options{.learning_rate = 0.5}, .schedule = ConstantRate{}}};
  kernels::StepState state;
  set_learning_rates(state, Adam::Options{.learning_rate = 0.2}, CosineDecay{}, groups, {.step = 5, .steps = 10});
  CHECK(state.learning_rate[0] == Approx(0.1));
  CHECK(state.learning_rate[1] == Approx(0.4));
  CHECK(state.learning_rate[2] == 0.5);
}

TEST_CASE("a group that trains for some epochs: its schedule ends with them, then its parameters rest") {
  const std::vector<ParameterGroup> groups = {
      {.pattern = "first.*", .optimizer = Sgd::Options{.learning_rate = 0.8}, .epochs = 2},
      {.pattern = "last.*", .optimizer = Sgd::Options{.learning_rate = 0.8}, .epochs = 9}};
  const auto at = [&](double step) { return ScheduleTime{.step = step, .steps = 12, .steps_per_epoch = 3}; };
  kernels::StepState state;
  const auto rates = [&](double step) {
    set_learning_rates(state, Adam::Options{.learning_rate = 1}, LinearDecay{}, groups, at(step));
    return std::vector<double>(state.learning_rate, state.learning_rate + 3);
  };
  CHECK(rates(3) == std::vector<double>{0.75, 0.8 * 0.5, 0.8 * 0.75});  // more epochs than there are: all
  CHECK(rates(6) == std::vector<double>{0.5, 0, 0.8 * 0.5});
  CHECK(groups_over(groups, at(5)) == 0);
  CHECK(groups_over(groups, at(6)) == 1);

  Three network;
  ParameterStore store(network, reference(), 1);
  set_resting(store, groups, 1);
  const Context recording{.training = true, .gradients = true};
  CHECK(!network.first.weight.in(recording).requires_grad());
  CHECK(!network.first.bias.in(recording).requires_grad());
  CHECK(network.last.weight.in(recording).requires_grad());
  CHECK(network.unused.weight.in(recording).requires_grad());
  CHECK(store.non_trainable_count() == 0);  // who rests is trainable all the same
  set_resting(store, groups, 0);
  CHECK(network.first.weight.in(recording).requires_grad());
}

TEST_CASE("muon for all parameters: filters that a norm follows, the rest by AdamW") {
  struct Net : Module {
    void visit(Visitor& v) override { v("a", a), v("n", n), v("b", b), v("c", c), v("m", m), v("fc", fc); }
    Conv2d a{3, 5, 3, {}}, b{5, 5, 3, {.bias = false}}, c{5, 4, 1, {.bias = false}};
    BatchNorm n{5}, m{4};
    Linear fc{4, 2};
  } net;
  ParameterStore store(net, training_device(), 1);
  const std::vector<ParameterGroup> groups = completed_groups(Muon::Options{}, store, {});
  REQUIRE(groups.size() == 1);
  CHECK(groups[0].pattern == "a.bias,n.weight,n.bias,b.weight,m.weight,m.bias,fc.weight,fc.bias");
  CHECK(std::holds_alternative<AdamW::Options>(groups[0].optimizer));
  CHECK(completed_groups(Muon::Options{}, store, {{.pattern = "*"}}).at(0).pattern == "*");
  CHECK(completed_groups(AdamW::Options{}, store, {}).empty());
  Three linear;
  ParameterStore none(linear, training_device(), 1);
  CHECK_THROWS_AS(completed_groups(Muon::Options{}, none, {}), UsageError);
}

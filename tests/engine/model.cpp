// Loops of one's own: a model, a loss, backward() and an optimiser's step().
#include "engine/nn/model.h"

#include "engine/nn/layers.h"
#include "engine/optim/optimizers.h"
#include "tests/catch.h"
#include "tests/engine/devices.h"

using namespace tessera;
using namespace tessera::test;

namespace {

struct TwoDropouts : Network {
  explicit TwoDropouts(double probability = 0.5) : first(probability), second(probability) {}
  void visit(Visitor& v) override { v("in", in), v("first", first), v("second", second); }
  Variable forward(const Context& context, const Variable& x) override {
    const Variable y = in(context, x);
    masks = {first(context, y).value(), second(context, y).value()};
    return second(context, first(context, y));
  }
  Linear in{2, 64};
  Dropout first, second;
  std::vector<Tensor> masks;  // what each makes of the same values
};

struct Unnamed : Network {
  void visit(Visitor& v) override { v("in", in); }
  Variable forward(const Context& context, const Variable& x) override { return drop(context, in(context, x)); }
  Linear in{2, 4};
  Dropout drop{0.5};
};

struct Points : Network {
  void visit(Visitor& v) override { v("hidden", hidden), v("out", out); }
  Variable forward(const Context& context, const Variable& x) override { return out(context, hidden(context, x)); }
  Linear hidden{2, 16, {.activation = Activation::sigmoid}}, out{16, 2, {.bias = false}};
};

std::vector<double> zeros_of(const Tensor& t) {
  std::vector<double> values = download(t);
  for (double& v : values) v = v == 0;
  return values;
}

}  // namespace

TEST_CASE("a model learns in a loop of its own, and the same seed gives the same bits") {
  const std::vector<float> corners = {0, 0, 0, 1, 1, 0, 1, 1};
  const auto train = [&](std::uint64_t seed) {
    Model<Points> net(training_device(), {.seed = seed});
    const Tensor x = net.tensor({4, 2}, corners), labels = net.tensor({4}, std::vector<std::int32_t>{0, 1, 1, 0});
    AdamW adam(net, {.learning_rate = 0.05});
    std::vector<double> losses;
    for (int step = 0; step < 300; ++step) {
      const Variable loss = net.network().loss({}, net(x), labels);
      losses.push_back(download(loss.value()).at(0));
      backward(loss);
      adam.step();
    }
    CHECK(download(net.evaluate(x)).size() == 8);
    return losses;
  };
  const std::vector<double> losses = train(1);
  CHECK(losses.back() < 0.1);
  CHECK(train(1) == losses);
  CHECK(train(2) != losses);
}

TEST_CASE("a step of one's own is the update that a recorded run makes, step by step") {
  Model<Points> a(training_device()), b(training_device());
  Adam own(a, {.learning_rate = 0.02}), given(b);
  StepStateBuffer state(b.device());
  for (int step = 0; step < 5; ++step) {
    const auto backward_on = [&](Model<Points>& net) {
      const Tensor x = net.tensor({1, 2}, std::vector<float>{1, 2}), label = net.tensor({1}, std::vector<std::int32_t>{1});
      backward(net.network().loss({}, net(x), label));
    };
    backward_on(a), own.step();
    backward_on(b), state.write({.step = step, .learning_rate = {0.02}});
    given.update(state.device_pointer(), nullptr), b.parameters().clear_gradients();
  }
  CHECK(download(a.parameters().values()) == download(b.parameters().values()));
}

TEST_CASE("two optimisers share a model: a step clears the gradients of its own parameters alone") {
  Model<Points> net(training_device());
  Sgd out(net, {.learning_rate = 0.1}), hidden(net, {.learning_rate = 0.1});
  const auto is_out = [](const Parameter& p) { return p.path().starts_with("out."); };
  out.only(is_out);
  hidden.only([&](const Parameter& p) { return !is_out(p); });
  const auto before = download(net.network().hidden.weight.value());
  const Tensor x = net.tensor({1, 2}, std::vector<float>{1, 2}), label = net.tensor({1}, std::vector<std::int32_t>{1});
  backward(net.network().loss({}, net(x), label));
  out.step();
  CHECK(!net.network().out.weight.node()->filled());
  CHECK(net.network().hidden.weight.node()->filled());
  CHECK(download(net.network().hidden.weight.value()) == before);
  hidden.step();
  CHECK(download(net.network().hidden.weight.value()) != before);
}

TEST_CASE("dropouts of one network never share masks, and draw new ones in every step") {
  Model<TwoDropouts> net(training_device());
  const Tensor x = net.tensor({1, 2}, std::vector<float>{1, 2});
  Sgd sgd(net);
  net(x);
  const auto first = zeros_of(net.network().masks[0]);
  CHECK(first != zeros_of(net.network().masks[1]));
  net(x);
  CHECK(zeros_of(net.network().masks[0]) == first);  // still the same step
  sgd.step();
  net(x);
  CHECK(zeros_of(net.network().masks[0]) != first);
}

TEST_CASE("a dropout that visit() does not name is an error in training, not a shared mask") {
  Model<Unnamed> net(training_device());
  const Tensor x = net.tensor({1, 2}, std::vector<float>{1, 2});
  CHECK_THROWS_WITH(net(x), Catch::Contains("visit()"));
  CHECK_NOTHROW(net.evaluate(x));
}

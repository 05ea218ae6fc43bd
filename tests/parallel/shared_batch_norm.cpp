// Batch norm of a batch that ranks share: the whole batch's, forward, backward and in its running statistics.
#include <cmath>
#include <random>

#include "engine/nn/conv_norm.h"
#include "engine/ops/arithmetic.h"
#include "engine/train/rank_shares.h"
#include "tests/engine/trainee.h"
#include "tests/parallel/threads.h"

using namespace tessera;
using namespace tessera::test;

namespace {

constexpr std::int64_t images = 7, height = 3, width = 2, channels = 3, pixels = height * width;
constexpr kernels::DType f64 = kernels::DType::f64;

std::vector<double> noise(std::int64_t count, double mean, double spread, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<double> normal(mean, spread);
  std::vector<double> values(static_cast<std::size_t>(count));
  for (double& value : values) value = normal(random);
  return values;
}

struct Case {
  Activation activation;
  enum { none, other, x } residual;
};

struct Result {
  std::vector<double> y, dx, dresidual, dgamma, dbeta, running_mean, running_var;
};

// Images first … first + count − 1 of the batch; the gradient is that of the whole batch's mean(y²).
Result normalised(const Case& c, std::int64_t first, std::int64_t count, const BatchShares* shares) {
  const std::shared_ptr<Device> device = reference();
  const auto piece = [&](const std::vector<double>& all) {
    const std::int64_t image = pixels * channels;
    return upload(device, {count, height, width, channels},
                  {all.begin() + first * image, all.begin() + (first + count) * image}, f64);
  };
  const Variable x = Variable::leaf(piece(noise(images * pixels * channels, 3, 2, 1))),
                 other = Variable::leaf(piece(noise(images * pixels * channels, 0, 1, 2))),
                 gamma = Variable::leaf(upload(device, {channels}, noise(channels, 1, 0.3, 3), f64)),
                 beta = Variable::leaf(upload(device, {channels}, noise(channels, 0, 1, 4), f64));
  const Variable residual = c.residual == Case::none ? Variable() : c.residual == Case::x ? x : other;
  const Tensor mean = upload(device, {channels}, {0.25, 0.5, 1}, f64), var = upload(device, {channels}, {1.5, 1, 2}, f64);
  const BatchNormParams params{.epsilon = 1e-3, .momentum = 0.1, .unbiased_variance = true, .activation = c.activation};
  const Variable y = shares ? shared_batch_norm(x, residual, gamma, beta, mean, var, params, *shares)
                            : batch_norm(x, residual, gamma, beta, mean, var, params, true);
  backward(tessera::mean(square(y)), upload(device, {1}, {static_cast<double>(count) / images}, f64));
  Result result{.y = download(y.value()),
                .dx = download(x.grad()),
                .dresidual = {},
                .dgamma = download(gamma.grad()),
                .dbeta = download(beta.grad()),
                .running_mean = download(mean),
                .running_var = download(var)};
  if (c.residual == Case::other) result.dresidual = download(other.grad());
  return result;
}

void check_close(const std::vector<double>& got, const std::vector<double>& expected) {
  REQUIRE(got.size() == expected.size());
  for (std::size_t i = 0; i < got.size(); ++i) CHECK(got[i] == Approx(expected[i]).epsilon(1e-11).margin(1e-13));
}

}  // namespace

TEST_CASE("shares of a batch are normalised by the whole batch's statistics, and their gradients are its") {
  // Rank 1 of the three has no images, and passes the first one through all the same.
  const std::vector<std::int64_t> first{0, 0, 3}, count{3, 1, 4};
  for (const Case& c :
       {Case{Activation::none, Case::none}, Case{Activation::relu, Case::other}, Case{Activation::none, Case::x},
        Case{Activation::relu, Case::x}, Case{Activation::gelu, Case::other}}) {
    const Result whole = normalised(c, 0, images, nullptr);
    std::vector<Result> shares(3);
    Threads threads(3);
    threads.run([&](Communicator& ranks) {
      const auto r = static_cast<std::size_t>(ranks.rank());
      RankShares join(ranks);
      join.set_counts(r != 1);
      shares[r] = normalised(c, first[r], count[r], &join);
    });
    Result joined = shares[0];
    for (auto field : {&Result::y, &Result::dx, &Result::dresidual})
      (joined.*field).insert((joined.*field).end(), (shares[2].*field).begin(), (shares[2].*field).end());
    for (auto field : {&Result::dgamma, &Result::dbeta})
      for (std::size_t i = 0; i < channels; ++i) (joined.*field)[i] += (shares[2].*field)[i];
    for (auto field : {&Result::y, &Result::dx, &Result::dresidual, &Result::dgamma, &Result::dbeta, &Result::running_mean,
                       &Result::running_var})
      check_close(joined.*field, whole.*field);
    for (const Result& each : shares) {
      CHECK(each.running_mean == joined.running_mean);
      CHECK(each.running_var == joined.running_var);
    }
  }
}

namespace {

using Weights = std::vector<std::vector<float>>;
struct Trained {
  Weights weights;
  FitState state;
};

constexpr std::int64_t train_count = 11, whole_batch = 8;  // the last batch has 3

// A narrow ResNet, with an activation without a kink: where a ReLU's argument is 0 but for rounding, rounding decides whether a
// whole gradient passes.
struct NarrowResNet : Network {
  void visit(Visitor& v) override {
    v("stem", stem), v("stem_norm", stem_norm), v("a", a), v("a_norm", a_norm), v("b", b), v("b_norm", b_norm), v("fc", fc);
  }
  Variable forward(const Context& context, const Variable& x) override {
    const Variable y = conv_norm(context, stem, stem_norm, x, Activation::silu);
    const Variable z =
        conv_norm(context, b, b_norm, conv_norm(context, a, a_norm, y, Activation::silu), Activation::silu, y);
    return fc(context, pool(context, z));
  }
  Conv2d stem{3, 8, 3, {.padding = Padding::all(1), .bias = false}}, a{8, 8, 3, {.padding = Padding::all(1), .bias = false}},
      b{8, 8, 3, {.padding = Padding::all(1), .bias = false}};
  BatchNorm stem_norm{8}, a_norm{8}, b_norm{8};
  GlobalAveragePool pool;
  Linear fc{8, 4};
};

// `from`: where to go on.
Trained trained(Communicator* ranks, bool sync, std::int64_t steps, const Trained& from = {}) {
  const std::shared_ptr<Device> device = open("cpu", 1);
  NarrowResNet network;
  ParameterStore store(network, device, 3);
  ImageBatches batches(DeviceImages::upload(tiny_images(train_count, 5), device), Trainee::params(true));
  Recipe recipe{.batch_size = whole_batch, .epochs = 9};
  recipe.optimizer = Sgd::Options{.learning_rate = 0.05, .momentum = 0.9};
  recipe.sync_batch_norm = sync;
  Fit fit(network, store, recipe, batches, nullptr, {.max_steps = steps, .ranks = ranks}, from.state);
  std::vector<Tensor> tensors{store.values(), store.buffer_values()};
  for (const auto& [name, tensor] : fit.optimizer().memory()) tensors.push_back(tensor);
  for (std::size_t i = 0; i < from.weights.size(); ++i) tensors[i].copy_from(std::span<const float>(from.weights[i]));
  fit.run();
  Trained result{{}, fit.state()};
  for (const Tensor& tensor : tensors) result.weights.push_back(tensor.to_host<float>());
  return result;
}

std::vector<Trained> trained_by(int size, bool sync, std::int64_t steps, const Trained& from = {}) {
  std::vector<Trained> all(static_cast<std::size_t>(size));
  Threads threads(size);
  threads.run(
      [&](Communicator& ranks) { all[static_cast<std::size_t>(ranks.rank())] = trained(&ranks, sync, steps, from); });
  return all;
}

// By the largest element of each tensor.
double apart(const Weights& a, const Weights& b) {
  double worst = 0;
  for (std::size_t t = 0; t < a.size(); ++t) {
    double largest = 0, difference = 0;
    for (std::size_t i = 0; i < a[t].size(); ++i) {
      largest = std::max(largest, std::abs(static_cast<double>(b[t][i])));
      difference = std::max(difference, std::abs(static_cast<double>(a[t][i]) - static_cast<double>(b[t][i])));
    }
    worst = std::max(worst, difference / largest);
  }
  return worst;
}

}  // namespace

TEST_CASE(
    "with joined statistics ranks end within float32's rounding of one that has the whole batch, in the same bits each "
    "time") {
  constexpr std::int64_t steps = 8;
  const Trained alone = trained(nullptr, true, steps);
  CHECK(apart(trained_by(2, false, steps)[0].weights, alone.weights) > 1e-2);  // else this test could not fail
  for (const int size : {2, 4}) {  // with 4 ranks one has no image of the last batch
    const std::vector<Trained> together = trained_by(size, true, steps);
    INFO(size << " ranks are off by " << apart(together[0].weights, alone.weights));
    CHECK(apart(together[0].weights, alone.weights) < 1e-6);
    for (const Trained& rank : together) CHECK((rank.weights == together[0].weights));
    CHECK((trained_by(size, true, steps)[0].weights == together[0].weights));
  }
  const Trained begun = trained_by(3, true, 3)[0];  // in the middle of an epoch
  CHECK(apart(trained_by(2, true, steps, begun)[0].weights, alone.weights) < 1e-6);
}

TEST_CASE("statistics of parts that come one after another cannot be joined: that is said") {
  const auto begin = [](Communicator* ranks, std::int64_t parts) {
    Trainee t(Sgd::Options{}, {}, false, open("cpu", 1));
    Plan p = plan(1);
    p.sync_batch_norm = true, p.accumulate = parts, p.limits.ranks = ranks;
    (void)t.begin(p, p.limits, {}, false);
  };
  CHECK_THROWS_AS(begin(nullptr, 2), UsageError);
  begin(nullptr, 1);
  Threads threads(2);
  threads.run([&](Communicator& ranks) {
    begin(&ranks, 2);
    bool refused = false;
    try {
      begin(&ranks, 3);
    } catch (const UsageError&) {
      refused = true;
    }
    RANK_CHECK(refused);
  });
}

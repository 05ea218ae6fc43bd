// What a step may do besides: parts of a batch, a clipped gradient, averaged weights, weighted classes, mixed labels.
#include "engine/train/train_step.h"

#include <cmath>

#include "engine/ops/loss.h"
#include "tests/engine/trainee.h"

using namespace tessera;
using namespace tessera::test;

namespace {

constexpr double rate = 0.1;

// One plain SGD step from the same weights, by a batch of 8.
struct OneStep {
  explicit OneStep(StepOptions options, const TinyNetwork::Options& of = {}, std::int64_t size = batch_size)
      : trainee(Sgd::Options{.learning_rate = rate}, of), before(download(trainee.store.values())) {
    const auto optimizer = make_optimizer(trainee.optimizer, trainee.store);
    options.seed = 3;
    TrainStep step(trainee.network, trainee.store, *optimizer, trainee.train, options);
    step.run({.learning_rate = {rate}}, size);
    after = download(trainee.store.values());
    loss = step.batch_loss(), metrics = step.metrics();
  }
  std::vector<double> gradient() const {
    std::vector<double> g;
    for (std::size_t i = 0; i < after.size(); ++i) g.push_back((before[i] - after[i]) / rate);
    return g;
  }
  Trainee trainee;
  std::vector<double> before, after;
  double loss = 0;
  kernels::Metrics metrics;
};

void check_close(const std::vector<double>& got, const std::vector<double>& expected, double tolerance) {
  REQUIRE(got.size() == expected.size());
  double largest = 0, worst = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    largest = std::max(largest, std::abs(expected[i]));
    worst = std::max(worst, std::abs(got[i] - expected[i]));
  }
  CHECK(worst <= tolerance * largest);
  CHECK(largest > 0);
}

double norm_of(const std::vector<double>& values) {
  double squares = 0;
  for (const double v : values) squares += v * v;
  return std::sqrt(squares);
}

}  // namespace

TEST_CASE("parts of a batch give its gradient, its loss and its metrics, where no statistics tell them apart") {
  const OneStep whole({}, {.norm = false});
  for (const std::int64_t parts : {2, 3, 8, 100}) {
    INFO(parts << " parts");
    const OneStep one({.accumulate = parts}, {.norm = false});
    check_close(one.gradient(), whole.gradient(), 2e-5);
    CHECK(one.loss == Approx(whole.loss).epsilon(1e-6));
    CHECK(one.metrics.loss_sum == Approx(whole.metrics.loss_sum).epsilon(1e-6));
    CHECK(one.metrics.batch_loss_sum == Approx(whole.metrics.batch_loss_sum).epsilon(1e-6));
    CHECK(one.metrics.batches == Approx(1));
    CHECK(one.metrics.samples == batch_size);
    CHECK(one.metrics.correct == whole.metrics.correct);
  }
}

TEST_CASE("each part is normalised by itself; statistics and gradients are the parts' sums, in order") {
  // By hand: images 0, 1 | 2, 3, 4 | 5, 6, 7, each part by itself from the same weights and statistics.
  const std::int64_t first[] = {0, 2, 5, 8};
  std::vector<double> gradient, statistics;
  double loss = 0;
  for (int k = 0; k < 3; ++k) {
    Trainee t(Sgd::Options{}, {});
    StepStateBuffer state(t.device);
    state.write({});
    const std::int64_t size = first[k + 1] - first[k];
    const double share = static_cast<double>(size) / batch_size;
    const Batch batch = t.train.draw(size, state.device_pointer(), first[k]);
    const Context context{.training = true, .gradients = true, .state = state.device_pointer()};
    const Variable own = t.network.loss(context, t.network.forward(context, batch.x), batch.y);
    backward(own);
    const auto g = download(t.store.gradients()), r = download(t.store.buffer_values());
    gradient.resize(g.size()), statistics.resize(r.size());
    for (std::size_t i = 0; i < g.size(); ++i) gradient[i] += share * g[i];
    for (std::size_t i = 0; i < r.size(); ++i) statistics[i] += share * r[i];
    loss += share * download(own.value()).at(0);
  }
  const OneStep one({.accumulate = 3});
  check_close(one.gradient(), gradient, 2e-5);
  check_close(download(one.trainee.store.buffer_values()), statistics, 1e-6);
  CHECK(one.loss == Approx(loss).epsilon(1e-6));
  const OneStep whole({});
  CHECK(std::abs(whole.loss - loss) > 1e-4);  // the statistics of parts are others
}

TEST_CASE("parts draw dropout of their own") {
  const OneStep one({.accumulate = 2}, {.dropout = 0.5, .norm = false}, 8), other({}, {.dropout = 0.5, .norm = false}, 8);
  CHECK(one.loss != other.loss);
  // With the same images in both halves and the same draws, the halves' losses would be the same and so the sum of one.
  Trainee t(Sgd::Options{.learning_rate = 0}, {.dropout = 0.5, .norm = false});
  std::vector<std::int32_t> order(static_cast<std::size_t>(image_count), 0);
  t.train.set_order(order);
  const auto optimizer = make_optimizer(t.optimizer, t.store);
  TrainStep half(t.network, t.store, *optimizer, t.train, {.seed = 3}),
      both(t.network, t.store, *optimizer, t.train, {.seed = 3, .accumulate = 2});
  half.run({}, 4), both.run({}, 8);
  CHECK(std::abs(half.batch_loss() - both.batch_loss()) > 1e-4);
}

TEST_CASE("a gradient longer than --clip-norm is shortened to it, a shorter one is left alone") {
  const OneStep free({});
  const double length = norm_of(free.gradient());
  const OneStep same({.clip_norm = 2 * length});
  CHECK(same.after == free.after);
  const OneStep clipped({.clip_norm = length / 3});
  std::vector<double> expected = free.gradient();
  for (double& g : expected) g /= 3;  // torch.nn.utils.clip_grad_norm_, but for its 1e-6
  check_close(clipped.gradient(), expected, 1e-4);
  const OneStep parts({.clip_norm = length / 3, .accumulate = 2}, {.norm = false});
  CHECK(norm_of(parts.gradient()) == Approx(length / 3).epsilon(1e-3));
}

TEST_CASE("averaged weights follow the weights by their rule, from the first step's on") {
  Trainee t(Sgd::Options{.learning_rate = rate, .momentum = 0.9}, {});
  Plan p = plan(2);
  p.ema = 0.75;
  std::vector<double> weights, statistics;
  fit(t, p, {}, [&](const Fit& f) {
    const auto w = download(t.store.values()), r = download(t.store.buffer_values());
    if (f.host_state().step == 1) weights = w, statistics = r;
    for (std::size_t i = 0; i < w.size(); ++i) weights[i] = 0.75 * weights[i] + 0.25 * w[i];
    for (std::size_t i = 0; i < r.size(); ++i) statistics[i] = 0.75 * statistics[i] + 0.25 * r[i];
    REQUIRE(f.average());
    const WeightAverage::InUse averaged(*f.average());
    check_close(download(t.store.values()), weights, 2e-6);
    check_close(download(t.store.buffer_values()), statistics, 2e-6);
  });
  // The history shows both.
  for (const HistoryRow& row : t.loop->host_state().history) {
    REQUIRE(row.average);
    CHECK(row.average->loss != row.validation->loss);
  }
  const auto own = download(t.store.values());
  {
    const WeightAverage::InUse averaged(*t.loop->average());
    CHECK(download(t.store.values()) != own);
  }
  CHECK(download(t.store.values()) == own);
}

TEST_CASE("a step without finite gradients moves no average") {
  Trainee t(Sgd::Options{.learning_rate = rate}, {.norm = false});
  t.network.damage = [](int step) { return step == 3; };
  Plan p = plan(1);
  p.ema = 0.5;
  std::vector<double> before;
  fit(t, p, {}, [&](const Fit& f) {
    const WeightAverage::InUse averaged(*f.average());
    const auto now = download(t.store.values());
    CHECK((now == before) == (f.host_state().step == 4));
    before = now;
  });
}

TEST_CASE("the loss of weighted classes and of mixed labels, by hand") {
  const auto device = reference();
  const std::vector<double> z{2, -1, 0.5, 0, 3, -2, 1, 1, 0};
  const std::vector<std::int32_t> own{0, 2, 1}, other{1, 2, 0};
  const std::vector<double> share{0.25, 1, 0.6}, of_class{3, 0.5, 2};
  const auto log_softmax = [&](std::size_t i, std::int32_t j) {
    double sum = 0;
    for (std::size_t k = 0; k < 3; ++k) sum += std::exp(z[3 * i + k]);
    return z[3 * i + static_cast<std::size_t>(j)] - std::log(sum);
  };
  double weighted = 0, mixed = 0;
  for (std::size_t i = 0; i < 3; ++i) {
    const auto term = [&](std::int32_t label) {
      return -of_class[static_cast<std::size_t>(label)] * log_softmax(i, label) / 3;
    };
    weighted += term(own[i]);
    mixed += share[i] * term(own[i]) + (1 - share[i]) * term(other[i]);
  }
  const auto labels = [&](const std::vector<std::int32_t>& values) { return Tensor::from(device, {3}, values); };
  Context context{.class_weights = upload(device, {3}, of_class, DType::f64)};
  TinyNetwork network({.norm = false});
  const auto loss = [&] {
    return download(network.Network::loss(context, upload(device, {3, 3}, z, DType::f64), labels(own)).value()).at(0);
  };
  CHECK(loss() == Approx(weighted).epsilon(1e-12));
  context.other_labels = labels(other), context.label_share = upload(device, {3}, share, DType::f64);
  CHECK(loss() == Approx(mixed).epsilon(1e-12));
}

TEST_CASE("class weights: words, lists, and what balances the data") {
  CHECK(ClassWeights::parse("balanced")->text() == "balanced");
  CHECK(ClassWeights::parse("1,0.5,2")->text() == "1,0.5,2");
  CHECK(ClassWeights::parse("none")->text() == "none");
  for (const char* bad : {"", "1,", ",1", "1,x", "-1,2", "nan,1", "inf,1", "1 2", "2e6,1", "Balanced"})
    CHECK(!ClassWeights::parse(bad));
  const std::vector<std::int32_t> labels{0, 0, 0, 2, 2, 0};
  // scikit-learn: 6/(2·4), 6/(2·2); a class without images weighs 1.
  CHECK(ClassWeights::parse("balanced")->resolved(labels, 3, 4).values == std::vector<double>{0.75, 1, 1.5, 1});
  CHECK(ClassWeights::parse("3,2")->resolved(labels, 2, 1).values == std::vector<double>{3, 2});
  CHECK_THROWS_AS(ClassWeights::parse("3,2")->resolved(labels, 3, 3), UsageError);
  CHECK(!ClassWeights().resolved(labels, 3, 3));
}

TEST_CASE("altered and mixed batches: the same draws wherever a batch is cut") {
  const auto device = training_device();
  Augmentation all = Augmentation::none;
  all.jitter = all.cutout = true;
  const ImageSet set = tiny_images(12, 5);
  const ImageBatches altered(DeviceImages::upload(set, device), Normalization::cifar10, all, 4);
  const ImageBatches plain(DeviceImages::upload(set, device), Normalization::cifar10, Augmentation::none, 4);
  StepStateBuffer state(device);
  state.write({.epoch = 1, .position = 2});
  const auto whole = download(altered.draw(8, state.device_pointer()).x);
  CHECK(whole != download(plain.draw(8, state.device_pointer()).x));
  auto parts = download(altered.draw(3, state.device_pointer()).x);
  const auto rest = download(altered.draw(5, state.device_pointer(), 3).x);
  parts.insert(parts.end(), rest.begin(), rest.end());
  CHECK(parts == whole);

  Augmentation mix = Augmentation::none;
  mix.mixup = true;
  const ImageBatches mixed(DeviceImages::upload(set, device), Normalization::cifar10, mix, 4);
  const Batch batch = mixed.draw(4, state.device_pointer()), own = plain.draw(4, state.device_pointer());
  const auto x = download(batch.x), a = download(own.x);
  const auto share = batch.share.to_host<float>();
  const std::size_t size = a.size() / 4;
  for (std::size_t i = 0; i < 4; ++i)
    for (std::size_t e = 0; e < size; ++e) {
      const double s = static_cast<double>(share[i]), expected = s * a[i * size + e] + (1 - s) * a[(3 - i) * size + e];
      if (std::abs(x[i * size + e] - expected) > 1e-5) FAIL("image " << i << " element " << e);
    }
  auto reversed = own.y.to_host<std::int32_t>();
  std::reverse(reversed.begin(), reversed.end());
  CHECK(batch.other.to_host<std::int32_t>() == reversed);
  CHECK(!own.other);
}

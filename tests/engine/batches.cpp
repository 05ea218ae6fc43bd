// The order of samples, and batches against images prepared by hand.
#include "engine/train/batches.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "engine/core/random.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/loss.h"
#include "engine/train/fit.h"
#include "kernels/augmentation.h"
#include "tests/catch.h"
#include "tests/engine/devices.h"
#include "tests/engine/tiny_network.h"

using namespace tessera;
using namespace tessera::test;

namespace {

std::vector<std::string> all_backends() {
  std::vector<std::string> names = fast_backends();
  names.push_back("reference");
  return names;
}

// Pixel (y, x, c) of an image as the network sees it, by the definition.
float prepared(const ImageSet& set, std::int64_t sample, std::int64_t y, std::int64_t x, std::int64_t c,
               const kernels::GatherParams& params, std::int64_t epoch) {
  std::int64_t row = y, column = x;
  if (params.flip || params.crop_padding > 0) {
    const auto a = kernels::augmentation(params, epoch, sample);
    if (a.flip) column = set.width - 1 - column;  // the crop is mirrored, not the image before it
    row += a.row - params.crop_padding;
    column += a.column - params.crop_padding;
  }
  if (params.reflect) {  // … 2 1 | 0 1 2 … n−1 | n−2 …
    const auto inside = [](std::int64_t i, std::int64_t n) { return i < 0 ? -i : i >= n ? 2 * n - 2 - i : i; };
    row = inside(row, set.height), column = inside(column, set.width);
  }
  if (row < 0 || row >= set.height || column < 0 || column >= set.width) return 0;  // zeros after normalisation
  const float byte = set.image(sample)[static_cast<std::size_t>((row * set.width + column) * set.channels + c)];
  return (byte / 255.0f - params.mean[c]) / params.std[c];
}

void check_batch(const Batch& batch, const ImageSet& set, const std::vector<std::int32_t>& samples,
                 const kernels::GatherParams& params, std::int64_t epoch) {
  REQUIRE(batch.x.shape() == Shape{static_cast<std::int64_t>(samples.size()), set.height, set.width, set.channels});
  const std::vector<float> x = batch.x.to_host<float>();
  const std::vector<std::int32_t> y = batch.y.to_host<std::int32_t>();
  double worst = 0;
  std::size_t at = 0;
  for (std::size_t i = 0; i < samples.size(); ++i) {
    CHECK(y[i] == set.labels[static_cast<std::size_t>(samples[i])]);
    for (std::int64_t row = 0; row < set.height; ++row)
      for (std::int64_t column = 0; column < set.width; ++column)
        for (std::int64_t c = 0; c < set.channels; ++c)
          worst = std::max(
              worst, std::abs(static_cast<double>(x[at++]) - prepared(set, samples[i], row, column, c, params, epoch)));
  }
  CHECK(worst <= 1e-6);
}

}  // namespace

TEST_CASE("a shuffled order is a permutation that depends on seed and epoch alone") {
  for (const std::int64_t count : {1, 2, 7, 50'000}) {
    std::vector<std::int32_t> order = shuffled_order(count, 3, 5);
    CHECK(order == shuffled_order(count, 3, 5));
    if (count > 2) {
      CHECK(order != shuffled_order(count, 3, 6));
      CHECK(order != shuffled_order(count, 4, 5));
    }
    std::sort(order.begin(), order.end());
    std::vector<std::int32_t> all(static_cast<std::size_t>(count));
    std::iota(all.begin(), all.end(), 0);
    CHECK(order == all);
  }
  CHECK(shuffled_order(0, 1, 1).empty());
}

TEST_CASE("every place of a shuffled order is equally likely for every sample") {
  constexpr int count = 5, rounds = 20'000;
  int seen[count][count] = {};
  for (int epoch = 0; epoch < rounds; ++epoch) {
    const std::vector<std::int32_t> order = shuffled_order(count, 8, epoch);
    for (int place = 0; place < count; ++place) ++seen[place][order[static_cast<std::size_t>(place)]];
  }
  for (const auto& place : seen)
    for (const int times : place) CHECK(times == Approx(rounds / count).margin(5 * std::sqrt(rounds * 0.16)));
}

TEST_CASE("batches hold the samples of the order, prepared as told") {
  const ImageSet set = tiny_images(11, 4);
  kernels::GatherParams plain, normalized = gather_params(Normalization::cifar10, Augmentation::none, 0),
                               augmented = gather_params(Normalization::cifar10, Augmentation::standard, 77),
                               reflecting = gather_params(Normalization::cifar10_true, Augmentation::airbench, 78);
  CHECK(reflecting.crop_padding == 2);
  CHECK((reflecting.reflect && reflecting.flip && reflecting.alternate));
  CHECK(augmented.crop_padding == 4);
  CHECK(augmented.flip);
  augmented.crop_padding = 2;
  for (const std::string& name : all_backends()) {
    const auto device = open(name);
    for (const kernels::GatherParams& params : {plain, normalized, augmented, reflecting}) {
      INFO(name << ", mean " << params.mean[0] << ", crop " << params.crop_padding);
      ImageBatches source(DeviceImages::upload(set, device), params);
      StepStateBuffer state(device);
      state.write({.epoch = 3, .position = 0});
      check_batch(source.draw(4, state.device_pointer()), set, {0, 1, 2, 3}, params, 3);  // file order to begin with

      const std::vector<std::int32_t> order{7, 3, 10, 0, 1, 2, 9, 8, 4, 6, 5};
      source.set_order(order);
      state.write({.epoch = 4, .position = 4});
      check_batch(source.draw(4, state.device_pointer()), set, {1, 2, 9, 8}, params, 4);
      state.write({.epoch = 4, .position = 8});
      check_batch(source.draw(3, state.device_pointer()), set, {4, 6, 5}, params, 4);  // the last, smaller batch
    }
  }
}

TEST_CASE("alternating flips show each image as it is and mirrored in turn, half of them mirrored first") {
  const auto device = open("cpu");
  const ImageSet set = tiny_images(200, 4);
  const kernels::GatherParams params = gather_params(Normalization::none, {.flip = true, .alternate = true}, 5);
  const ImageBatches source(DeviceImages::upload(set, device), params),
      plain(DeviceImages::upload(set, device), gather_params(Normalization::none, Augmentation::none, 5));
  StepStateBuffer state(device);
  std::vector<int> mirrored[4];
  const std::size_t row = static_cast<std::size_t>(set.width * set.channels), image = row * set.height;
  const std::vector<float> as_is = plain.draw(set.count, (state.write({}), state.device_pointer())).x.to_host<float>();
  for (int epoch = 0; epoch < 4; ++epoch) {
    state.write({.epoch = epoch});
    const std::vector<float> x = source.draw(set.count, state.device_pointer()).x.to_host<float>();
    for (std::size_t i = 0; i < static_cast<std::size_t>(set.count); ++i) {
      const bool same = std::equal(x.begin() + i * image, x.begin() + (i + 1) * image, as_is.begin() + i * image);
      mirrored[epoch].push_back(!same);
      if (!same)
        for (std::size_t column = 0; column < static_cast<std::size_t>(set.width); ++column)
          REQUIRE(x[i * image + column * 3] == as_is[i * image + (set.width - 1 - column) * 3]);
    }
  }
  const auto first = std::count(mirrored[0].begin(), mirrored[0].end(), 1);
  CHECK((first > 70 && first < 130));  // of 200 fair coins
  CHECK(mirrored[2] == mirrored[0]);
  CHECK(mirrored[3] == mirrored[1]);
  for (std::size_t i = 0; i < mirrored[0].size(); ++i) CHECK(mirrored[0][i] != mirrored[1][i]);
}

TEST_CASE("padding that reflects as far as the image is wide is refused") {
  const auto device = open("cpu");
  kernels::GatherParams params;
  params.reflect = true;
  const auto images = DeviceImages::upload(tiny_images(2, 1), device);
  params.crop_padding = static_cast<std::int32_t>(images.images.shape()[1]);
  CHECK_THROWS_AS(ImageBatches(images, params), ShapeError);
}

TEST_CASE("the step state in device memory is the last one written, however many were") {
  const auto device = training_device();
  StepStateBuffer state(device);
  for (std::int64_t i = 0; i < 200; ++i) {
    state.write({.step = i, .epoch = 2 * i, .position = 3 * i, .learning_rate = {0.5}});
    kernels::StepState read;
    device->download(&read, state.device_pointer(), sizeof read);
    REQUIRE(read.step == i);
    REQUIRE(read.epoch == 2 * i);
    REQUIRE(read.position == 3 * i);
    REQUIRE(read.learning_rate[0] == 0.5);
  }
}

namespace {

// One linear layer and a squared error, for a program's own numbers; targets are negative.
struct Line : Network {
  void visit(Visitor& v) override { v("line", line); }
  Variable forward(const Context& context, const Variable& x) override { return line(context, x); }
  Variable loss(const Context&, const Variable& y, const Tensor& target) override {
    return l2_penalty(add(y, target), 1 / static_cast<double>(target.count()));
  }
  Linear line{2, 1, {}};
};

}  // namespace

TEST_CASE("a program's own numbers: batches in order, a network trained on targets, outputs without labels") {
  std::vector<float> x, y;
  for (int i = 0; i < 21; ++i) {
    x.insert(x.end(), {0.1f * static_cast<float>(i) - 1, 0.05f * static_cast<float>(i * 7 % 21)});
    y.push_back(-(2 * x[x.size() - 2] - x.back() + 0.5f));
  }
  for (const std::string& name : fast_backends()) {
    INFO(name);
    const auto device = open(name);
    const Tensor inputs = Tensor::from(device, {21, 2}, std::span<const float>(x));
    TensorBatches source(inputs, Tensor::from(device, {21, 1}, std::span<const float>(y)));
    CHECK(source.count() == 21);
    std::vector<std::int32_t> order(21);
    for (int i = 0; i < 21; ++i) order[static_cast<std::size_t>(i)] = 20 - i;
    source.set_order(order);
    source.prepare(19, 2);
    const Batch batch = source.draw(2, nullptr);
    CHECK(batch.x.to_host<float>() == std::vector<float>{x[2], x[3], x[0], x[1]});
    CHECK(batch.y.to_host<float>() == std::vector<float>{y[1], y[0]});

    Line network;
    ParameterStore parameters(network, device, 3);
    Recipe recipe;
    recipe.batch_size = 8, recipe.epochs = 150;  // the last batch has 5
    recipe.optimizer = Sgd::Options{.learning_rate = 0.2};
    Fit fit(network, parameters, recipe, source, &source);
    CHECK(fit.run() == FitEnd::finished);
    const HistoryRow last = fit.host_state().history.back();
    CHECK(last.validation->loss < 1e-6);
    CHECK(last.validation->samples == 21);
    CHECK(last.validation->accuracy == 0);
    CHECK(last.train.loss < 1e-6);

    source.set_order(order);
    const std::vector<float> outputs = predict(network, source, 4);
    REQUIRE(outputs.size() == 21);
    for (std::size_t i = 0; i < 21; ++i) CHECK(outputs[i] == Approx(-y[20 - i]).margin(1e-3));
  }
  const auto device = training_device();
  const Tensor three = Tensor::zeros(device, {3, 2}, DType::f32), two = Tensor::zeros(device, {2}, DType::i32);
  CHECK_THROWS_AS(TensorBatches(three, two), ShapeError);
  CHECK_THROWS_AS(TensorBatches(two, two), ShapeError);
}

TEST_CASE("augmentations have names that combine") {
  CHECK(Augmentation::parse("none") == Augmentation::none);
  CHECK(Augmentation::parse("standard") == Augmentation::standard);
  CHECK(Augmentation::parse("flip,crop") == Augmentation::standard);
  CHECK(Augmentation::parse("flip") == Augmentation{.flip = true});
  CHECK(Augmentation{.crop = 4}.text() == "crop");
  CHECK(Augmentation::airbench == Augmentation{.crop = 2, .reflect = true, .flip = true, .alternate = true});
  CHECK(Augmentation::parse("standard,airbench") == Augmentation::airbench);
  for (const char* text : {"none", "standard", "airbench", "crop", "flip"}) CHECK(Augmentation::parse(text)->text() == text);
  for (const char* text : {"", "flop", "flip,", ",flip", "flip crop"}) CHECK_FALSE(Augmentation::parse(text));
  const kernels::GatherParams flips = gather_params(Normalization::none, {.flip = true}, 1);
  CHECK((flips.flip && flips.crop_padding == 0));
}

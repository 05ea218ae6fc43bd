// The order of samples, and batches against images prepared by hand.
#include "engine/train/batches.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "engine/core/random.h"
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
    const auto a = kernels::augmentation(params.seed, epoch, sample, params.crop_padding, params.flip);
    if (a.flip) column = set.width - 1 - column;  // the crop is mirrored, not the image before it
    row += a.row - params.crop_padding;
    column += a.column - params.crop_padding;
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
  kernels::GatherParams plain, normalized = gather_params(Normalization::cifar10, false, 0),
                               augmented = gather_params(Normalization::cifar10, true, 77);
  CHECK(augmented.crop_padding == 4);
  CHECK(augmented.flip);
  augmented.crop_padding = 2;
  for (const std::string& name : all_backends()) {
    const auto device = open(name);
    for (const kernels::GatherParams& params : {plain, normalized, augmented}) {
      INFO(name << ", mean " << params.mean[0] << ", crop " << params.crop_padding);
      BatchSource source(DeviceImages::upload(set, device), params);
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

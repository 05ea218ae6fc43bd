// The estimate of memory against what the same work takes from a real device, every allocation counted.
#include "engine/run/memory_estimate.h"

#include "engine/train/train_step.h"
#include "models/catalogue.h"
#include "tests/catch.h"

using namespace tessera;

namespace {

std::size_t allocated = 0;

kernels::Runtime counting(const kernels::Runtime& of) {
  kernels::Runtime runtime = of;
  runtime.allocate = [](int device, std::size_t bytes) {
    allocated += bytes;
    return kernels::find_backend("cpu")->runtime.allocate(device, bytes);
  };
  return runtime;
}

// As training does: steps, one of them smaller, and an evaluation. Nothing is given back to the system before the end.
std::size_t taken(const NetworkEntry& entry, const Recipe& recipe, std::int64_t images, bool training) {
  const Backend& cpu = *kernels::find_backend("cpu");
  const kernels::Runtime runtime = counting(cpu.runtime);
  const Backend table = kernels::overlay(cpu, "cpu", runtime);  // prepares as the CPU does: its products are its own
  allocated = 0;
  const auto device = Device::open({.options = {.threads = 2}, .precision = recipe.precision}, table);
  const auto network = entry.make({});
  ParameterStore parameters(*network, device, 1);
  const Shape shape = network->input();
  ImageSet set{.count = images, .height = shape[0], .width = shape[1], .channels = 3};
  set.pixels.resize(static_cast<std::size_t>(images * set.image_size()), 100);
  set.labels.resize(static_cast<std::size_t>(images), 1);
  const DeviceImages on_device = DeviceImages::upload(set, device);
  const ImageBatches plain(on_device, gather_params(recipe.normalization, Augmentation::none, 1));
  if (!training) {
    evaluate(*network, plain, {.batch_size = recipe.batch_size});
    return allocated;
  }
  const ImageBatches source(on_device, recipe.normalization, recipe.augment, 1);
  const auto groups = completed_groups(recipe.optimizer, parameters, recipe.groups);
  const auto optimizer = make_optimizer(recipe.optimizer, parameters, groups);
  TrainStep step(*network, parameters, *optimizer, source, step_options(recipe, device));
  for (std::int64_t at = 0; at < images; at += recipe.batch_size)
    step.run({.position = at}, std::min(recipe.batch_size, images - at));
  evaluate(*network, plain, {.batch_size = recipe.batch_size});
  return allocated;
}

}  // namespace

TEST_CASE("memory is estimated within 5 % of what is taken, with batches far larger than those that were measured") {
  const Backend* const cpu = kernels::find_backend("cpu");
  if (!cpu) return;
  struct Case {
    const char* network;
    std::int64_t batch, images;
    bool training;
  };
  for (const Case& c :
       {Case{"lenet5_relu", 500, 1200, true}, Case{"lenet5_sigmoid", 7, 7, true}, Case{"inception10", 96, 240, true},
        Case{"resnet_mini", 80, 100, true}, Case{"resnet_mini", 80, 100, false}, Case{"airbench94", 64, 128, true}}) {
    INFO(c.network << ", batch " << c.batch << (c.training ? ", training" : ", inference"));
    const NetworkEntry& entry = require_network(c.network);
    Recipe recipe = entry.recipe;
    recipe.batch_size = c.batch;
    const MemoryQuestion question{.make = [&] { return entry.make({}); },
                                  .recipe = recipe,
                                  .images = c.images,
                                  .training = c.training,
                                  .backend = cpu,
                                  .options = {.threads = 2}};
    const auto real = static_cast<double>(taken(entry, recipe, c.images, c.training));
    const MemoryEstimate estimate = estimate_memory(question);
    CAPTURE(estimate.network, estimate.optimizer, estimate.images, estimate.step, estimate.workspace, estimate.evaluation);
    const std::size_t on_device =
        estimate.network + estimate.optimizer + estimate.images + estimate.step + estimate.workspace + estimate.evaluation;
    CHECK(static_cast<double>(on_device) == Approx(real).epsilon(0.05));
  }
}

TEST_CASE("the largest batch within a limit fits, and a larger one does not") {
  const Backend* const cpu = kernels::find_backend("cpu");
  if (!cpu) return;
  const NetworkEntry& entry = require_network("lenet5_relu");
  MemoryQuestion question{
      .make = [&] { return entry.make({}); }, .recipe = entry.recipe, .backend = cpu, .options = {.threads = 1}};
  const std::size_t limit = std::size_t{50} << 20;
  const std::int64_t largest = largest_batch(question, limit);
  CHECK(largest > 100);
  question.recipe.batch_size = largest;
  CHECK(estimate_memory(question).total() <= limit);
  question.recipe.batch_size = largest + largest / 50;
  CHECK(estimate_memory(question).total() > limit);
  CHECK(largest_batch(question, 1000) == 0);
}

// Recorded steps: the same bits as steps that are not recorded, and nothing inside them that a GPU could not record.
#include <functional>

#include "engine/core/step_state.h"
#include "engine/train/evaluate.h"
#include "engine/train/train_step.h"
#include "kernels/emulator/emulator.h"
#include "models/catalogue.h"
#include "tests/catch.h"
#include "tests/engine/devices.h"
#include "tests/engine/tiny_network.h"

using namespace tessera;
using namespace tessera::test;

namespace {

constexpr std::int64_t image_count = 20, batch_size = 8;  // the last batch has 4

struct Trainee {
  // everything: all that a step may do besides, at once.
  explicit Trainee(Precision precision = Precision::fp32, const std::string& name = test_gpu(), bool everything = false)
      : device(Device::open({.device = name, .precision = precision})),
        network({.dropout = 0.3}),
        store(network, device, 6),
        optimizer(make_optimizer(Adam::Options{.learning_rate = 1e-2}, store)),
        images(everything ? altered() : ImageBatches(DeviceImages::upload(tiny_images(image_count, 1), device), gather())),
        average(store, 0.9),
        step(network, store, *optimizer, images, options(everything)) {}

  ImageBatches altered() const {
    Augmentation all = Augmentation::standard;
    all.crop = 1, all.jitter = all.cutout = all.mixup = all.cutmix = true;
    return {DeviceImages::upload(tiny_images(image_count, 1), device), Normalization::cifar10, all, 9};
  }
  StepOptions options(bool everything) {
    StepOptions all{.seed = 6, .label_smoothing = 0.1};
    if (!everything) return all;
    all.class_weights = Tensor::from(device, {4}, std::vector<float>{1, 2, 0.5f, 1});
    all.clip_norm = 0.3, all.average = &average, all.accumulate = 3;
    return all;
  }

  static kernels::GatherParams gather() {
    kernels::GatherParams p = gather_params(Normalization::cifar10, Augmentation::standard, 9);
    p.crop_padding = 1;
    return p;
  }

  void train(int epochs, const std::function<void()>& after_step = {}) {
    for (int epoch = 0; epoch < epochs; ++epoch) {
      images.set_order(shuffled_order(image_count, 6, epoch));
      for (std::int64_t position = 0; position < image_count; position += batch_size, ++steps) {
        step.run(
            {.step = steps, .epoch = epoch, .position = position, .learning_rate = {1e-2 / static_cast<double>(1 + steps)}},
            std::min(batch_size, image_count - position));
        if (after_step) after_step();
      }
    }
  }

  std::vector<std::vector<float>> everything() const {
    std::vector<std::vector<float>> all{store.values().to_host<float>(), {static_cast<float>(step.batch_loss())}};
    for (const Buffer* buffer : store.buffers()) all.push_back(buffer->value().to_host<float>());
    for (const auto& [name, tensor] : optimizer->memory()) all.push_back(tensor.to_host<float>());
    const WeightAverage::InUse averaged(average);
    all.push_back(store.values().to_host<float>());
    const kernels::Metrics sums = step.metrics();
    all.push_back({static_cast<float>(sums.loss_sum), static_cast<float>(sums.correct), static_cast<float>(sums.samples)});
    return all;
  }

  std::shared_ptr<Device> device;
  TinyNetwork network;
  ParameterStore store;
  std::unique_ptr<Optimizer> optimizer;
  ImageBatches images;
  WeightAverage average;
  TrainStep step;
  std::int64_t steps = 0;
};

}  // namespace

TEST_CASE("recorded steps give the bits of steps that are not") {
  for (const auto& [precision, everything] :
       {std::pair{Precision::fp32, false}, {Precision::bf16, false}, {Precision::fp32, true}, {Precision::bf16, true}}) {
    INFO((precision == Precision::bf16 ? "bf16" : "fp32") << (everything ? ", everything" : ""));
    Trainee recorded(precision, test_gpu(), everything), plain(precision, test_gpu(), everything);
    plain.step.never_record();
    std::vector<double> losses, expected;
    recorded.train(4, [&] { losses.push_back(recorded.step.batch_loss()); });
    plain.train(4, [&] { expected.push_back(plain.step.batch_loss()); });
    CHECK(losses == expected);
    CHECK(recorded.everything() == plain.everything());
    CHECK(recorded.step.metrics().samples == 4 * image_count);
  }
}

TEST_CASE("a replayed step allocates nothing and waits for nothing") {
  using kernels::emulated::counters;
  Trainee trainee(Precision::fp32, "emulated");
  trainee.train(2);  // both batch sizes are warm and recorded
  const auto before = counters();
  const std::size_t fresh = trainee.device->fresh_allocations();
  trainee.step.run({.step = 6, .epoch = 2, .position = 0, .learning_rate = {1e-3}}, batch_size);
  trainee.step.run({.step = 7, .epoch = 2, .position = 8, .learning_rate = {1e-3}}, batch_size);
  trainee.step.run({.step = 8, .epoch = 2, .position = 16, .learning_rate = {1e-3}}, image_count - 2 * batch_size);
  const auto after = counters();
  CHECK(after.launches > before.launches + 30);
  CHECK(after.allocations == before.allocations);
  CHECK(after.synchronizations == before.synchronizations);
  CHECK(trainee.device->fresh_allocations() == fresh);
}

// A launch takes a GPU longer than most of what a step of such a network computes.
TEST_CASE("a recorded step of a small network is few launches") {
  using kernels::emulated::counters;
  for (const char* id : {"lenet5_relu", "lenet5_sigmoid"}) {
    INFO(id);
    const NetworkEntry& entry = *find_network(id);
    const std::shared_ptr<Device> device = open("emulated");
    const auto network = entry.make({});
    ParameterStore store(*network, device, 1);
    const auto optimizer = make_optimizer(entry.recipe.optimizer, store);
    const Shape image = network->input();
    ImageSet set{.count = 32, .height = image[0], .width = image[1], .channels = image[2]};
    set.pixels.resize(static_cast<std::size_t>(set.count * set.image_size()), 100);
    set.labels.resize(static_cast<std::size_t>(set.count), 1);
    const ImageBatches batches(DeviceImages::upload(set, device), gather_params(entry.recipe.normalization, {}, 1));
    TrainStep step(*network, store, *optimizer, batches, {});
    step.run({.learning_rate = {1e-3}}, set.count);  // as it is
    const auto before = counters().launches;
    step.run({.step = 1, .learning_rate = {1e-3}}, set.count);  // recorded, and replayed
    CHECK(counters().launches - before <= 24);
  }
}

TEST_CASE("work between replays does not disturb a recorded step") {
  Trainee recorded, plain;
  plain.step.never_record();
  std::vector<Tensor> kept;  // takes whatever memory is free, and fills it
  recorded.train(3, [&] {
    kept.push_back(Tensor::zeros(recorded.device, {64, 8, 8, 6}, DType::f32));
    (void)evaluate(recorded.network, recorded.images, {.batch_size = 16});
  });
  plain.train(3);
  CHECK(recorded.everything() == plain.everything());
}

TEST_CASE("an evaluation is the same on the emulator, recorded, and on the CPU") {
  const auto run = [](const std::string& name) {
    const std::shared_ptr<Device> device = open(name);
    TinyNetwork network;
    const ParameterStore store(network, device, 6);
    const ImageBatches images(DeviceImages::upload(tiny_images(45, 2), device), Trainee::gather());
    std::vector<float> logits;
    const Evaluation e = evaluate(network, images, {.batch_size = 8, .on_batch = [&](const Tensor& batch, const Tensor&) {
                                                      const std::vector<float> values = batch.to_host<float>();
                                                      logits.insert(logits.end(), values.begin(), values.end());
                                                    }});
    CHECK(e.samples == 45);
    return std::pair(e, logits);
  };
  const auto [emulated, emulated_logits] = run(test_gpu());
  const auto [cpu, cpu_logits] = run("cpu");
  CHECK(emulated.loss == Approx(cpu.loss).epsilon(1e-5));
  CHECK(emulated.accuracy == cpu.accuracy);
  REQUIRE(emulated_logits.size() == cpu_logits.size());
  for (std::size_t i = 0; i < cpu_logits.size(); ++i) CHECK(emulated_logits[i] == Approx(cpu_logits[i]).margin(1e-4));
}

#if !defined(__SANITIZE_ADDRESS__)  // it ends the program where memory is refused
TEST_CASE("memory that is short elsewhere is never taken from a recorded step") {
  for (const bool pooled : {true, false}) {
    INFO((pooled ? "pooled memory" : "every tensor an allocation of its own"));
    const std::shared_ptr<Device> device = Device::open({.device = test_gpu(), .pool_memory = pooled});
    const std::shared_ptr<MemoryPool> pool = device->new_pool();
    const Tensor y = Tensor::zeros(device, {64}, DType::f32);
    RecordedWork work(device, pool);
    const auto step = [&] {
      const Tensor one = Tensor::empty(device, {64}, DType::f32);  // free again, and still the recording's
      device->run(&Backend::activation_forward, kernels::Activation::sigmoid, y, one);
      device->run(&Backend::arithmetic, kernels::Arithmetic::add, one, one, {y, false});
    };
    for (int i = 0; i < 2; ++i) work.run(step);
    REQUIRE(work.recorded());
    const std::size_t reserved = device->bytes_reserved();
    {
      const Device::PoolScope scope(*device, pool);
      CHECK_THROWS_AS(Tensor::empty(device, {std::int64_t{1} << 58}, DType::f32), kernels::OutOfMemory);
    }
    CHECK_THROWS_AS(Tensor::empty(device, {std::int64_t{1} << 58}, DType::f32), kernels::OutOfMemory);
    CHECK(device->bytes_reserved() == reserved);
    y.zero();
    work.run(step);
    CHECK(y.to_host<float>() == std::vector<float>(64, 1.0f));
  }
}
#endif

TEST_CASE("what cannot be recorded is an error, and the device works on") {
  const std::shared_ptr<Device> device = open(test_gpu());
  const Tensor x = Tensor::zeros(device, {8}, DType::f32);
  const auto record = [&](const std::function<void()>& second_run) {
    RecordedWork work(device, device->new_pool());
    bool first = true;
    const std::function<void()> step = [&] {
      if (!first) second_run();
      first = false;
    };
    work.run(step);
    work.run(step);
  };
  CHECK_THROWS_AS(record([&] { device->synchronize(); }), kernels::DeviceError);
  CHECK_THROWS_AS(record([&] { (void)x.to_host<float>(); }), kernels::DeviceError);
  CHECK_THROWS_AS(record([&] { (void)Tensor::empty(device, {1'000'000}, DType::f32); }), kernels::DeviceError);
  CHECK_NOTHROW(record([&] { x.zero(); }));
  StepStateBuffer state(device);
  CHECK_NOTHROW(record([&] { state.write({.step = 7}); }));  // so nothing is copied from the host
  CHECK(x.to_host<float>() == std::vector<float>(8, 0.0f));
}

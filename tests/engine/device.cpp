// Devices: choosing one, its memory, and what it says when something is not to be had.
#include "engine/optim/optimizers.h"
#include "engine/train/train_step.h"
#include "tests/catch.h"
#include "tests/engine/devices.h"
#include "tests/engine/tiny_network.h"

using namespace tessera;
using namespace tessera::test;

namespace {

std::string error_of(const std::string& device) {
  try {
    Device::open({.device = device, .options = {}});
    return "";
  } catch (const kernels::DeviceError& error) {
    return error.what();
  }
}

}  // namespace

TEST_CASE("a device that is not there is an error that says what to do") {
  CHECK_THAT(error_of("tpu"), Catch::Contains("tpu") && Catch::Contains("auto, cpu, cuda, cuda:N or emulated"));
  CHECK_THAT(error_of("reference:1"), Catch::Contains("there is 1 device"));
  CHECK_THAT(error_of("reference:x"), Catch::Contains("number after the colon"));
  CHECK_THAT(error_of("reference:"), Catch::Contains("number after the colon"));
  CHECK_THAT(error_of("reference:99999999999999999999"), Catch::Contains("number after the colon"));
  CHECK(error_of("reference:0").empty());
  std::string why;
  const kernels::Backend* cuda = kernels::find_backend("cuda");
  if (!cuda)
    CHECK_THAT(error_of("cuda"), Catch::Contains("built without CUDA") && Catch::Contains("--device cpu"));
  else if (cuda->runtime.device_count(&why) == 0)
    CHECK_THAT(error_of("cuda"), Catch::Contains(why) && !Catch::Equals(""));
}

TEST_CASE("a library's kernels are for CUDA devices, and are there or an error says why") {
  const auto kernels_error = [](const std::string& device, const std::string& word) -> std::string {
    try {
      Device::open({.device = device, .options = {}, .kernels = word});
      return "";
    } catch (const kernels::DeviceError& error) {
      return error.what();
    }
  };
  CHECK_THAT(kernels_error("reference", "vendor"), Catch::Contains("--kernels vendor") && Catch::Contains("--device cuda"));
  CHECK_THAT(kernels_error("reference", "fast"), Catch::Contains("auto, own or vendor"));
  CHECK(kernels_error("reference", "own").empty());
  CHECK(kernels_error("reference", "auto").empty());
  CHECK_THAT(error_of("vendor"), Catch::Contains("--device cuda --kernels vendor"));
  std::string why, why_vendor = "no headers";
  const kernels::Backend *cuda = kernels::find_backend("cuda"), *vendor = kernels::find_backend("vendor");
  if (!cuda || cuda->runtime.device_count(&why) == 0) return;
  if (vendor && vendor->runtime.device_count(&why_vendor) > 0) {
    const auto device = Device::open({.device = "cuda", .options = {}, .kernels = "vendor"});
    CHECK(device->name() == "cuda:0");
    CHECK_THAT(device->choice(), Catch::Contains("cuDNN") && Catch::Contains("cuBLAS"));
  } else {
    CHECK_THAT(kernels_error("cuda", "vendor"), Catch::Contains(why_vendor));
    const auto device = Device::open({.device = "cuda", .options = {}, .kernels = "auto"});
    CHECK_THAT(device->choice(), Catch::Contains("own kernels: ") && Catch::Contains(why_vendor));
  }
}

TEST_CASE("auto takes what there is and says why") {
  if (!kernels::find_backend("cpu")) return;
  const auto device = Device::open({.device = "auto", .options = {.threads = 1}});
  const kernels::Backend* cuda = kernels::find_backend("cuda");
  std::string why;
  if (cuda && cuda->runtime.device_count(&why) > 0) {
    CHECK(device->name() == "cuda:0");
  } else {
    CHECK(device->name() == "cpu");
    CHECK_THAT(device->choice(), Catch::Contains("cpu: ") && Catch::Contains("1 thread") && Catch::Contains("no GPU: "));
  }
}

TEST_CASE("threads: 0 means all of the machine's") {
  CHECK(open("reference", 0)->options().threads >= 1);
  CHECK(open("reference", 3)->options().threads == 3);
}

TEST_CASE("freed memory is used again, in the same order whatever the order it was freed in") {
  const auto device = reference();
  auto a = device->allocate(1000), b = device->allocate(1000), c = device->allocate(100'000);
  const std::size_t reserved = device->bytes_reserved();
  CHECK(device->bytes_in_use() == reserved);
  CHECK(device->fresh_allocations() == 3);
  a.reset(), b.reset(), c.reset();
  CHECK(device->bytes_in_use() == 0);
  CHECK(device->bytes_reserved() == reserved);
  std::vector<const void*> first;
  for (int round = 0; round < 4; ++round) {
    a = device->allocate(990), b = device->allocate(1000), c = device->allocate(99'000);  // sizes of one class share blocks
    const std::vector<const void*> places{a->data(), b->data(), c->data()};
    if (round == 0) first = places;
    CHECK(places == first);
    if (round % 2)
      a.reset(), b.reset(), c.reset();
    else
      c.reset(), b.reset(), a.reset();
  }
  CHECK(device->fresh_allocations() == 3);
  CHECK(device->bytes_reserved() < 2 * (1000 + 256) + 100'000 * 9 / 8);
}

TEST_CASE("without a pool, memory goes back at once") {
  const auto device = Device::open({.device = "reference", .options = {}, .pool_memory = false});
  {
    const auto a = device->allocate(1000);
    CHECK(a->bytes() == 1000);
    CHECK(device->bytes_reserved() == 1000);
  }
  CHECK(device->bytes_reserved() == 0);
  CHECK(Tensor::empty(device, {0}, DType::f32).to_host<float>().empty());
}

TEST_CASE("a device lives as long as its memory") {
  std::weak_ptr<Device> watch;
  Tensor tensor;
  {
    const auto device = reference();
    watch = device;
    tensor = Tensor::zeros(device, {3}, DType::f32);
  }
  CHECK(!watch.expired());
  CHECK(tensor.to_host<float>() == std::vector<float>(3, 0.0f));
  tensor = {};
  CHECK(watch.expired());
}

#if !defined(__SANITIZE_ADDRESS__)  // it ends the program where memory is refused
TEST_CASE("out of memory: what was asked for, what is held, what to do") {
  const auto device = reference();
  const Tensor held = Tensor::empty(device, {1024, 1024}, DType::f32);
  auto pooled = device->allocate(5 << 20);
  pooled.reset();
  try {
    Tensor::empty(device, {std::int64_t{1} << 46}, DType::f32);
    FAIL("allocated 256 TiB");
  } catch (const kernels::OutOfMemory& error) {
    CHECK_THAT(error.what(),
               Catch::Contains("281474976710656") && Catch::Contains("4.0 MiB") && Catch::Contains("--batch-size"));
  }
  CHECK(device->bytes_reserved() == device->bytes_in_use());  // what was pooled has been given back before giving up
}
#endif

TEST_CASE("a steady training step asks for no memory and finds its tensors where they were") {
  const auto device = training_device();
  TinyNetwork network;
  ParameterStore store(network, device, 5);
  const auto optimizer = make_optimizer(Adam::Options{}, store);
  const ImageBatches source(DeviceImages::upload(tiny_images(32, 3), device), {});
  TrainStep step(network, store, *optimizer, source, {.seed = 1});

  struct Places : LayerObserver {
    void on_layer(const Module&, const char*, const Variable& output, double) override {
      found.push_back(output.value().data());
    }
    std::vector<const void*> found;
  };
  const auto places = [&] {
    Places observer;
    StepStateBuffer state(device);
    state.write({});
    const Batch batch = source.draw(8, state.device_pointer());
    const Context context{.training = true, .gradients = true, .observer = &observer};
    const Variable logits = network.forward(context, batch.x);
    return observer.found;
  };
  step.run({.step = 0, .learning_rate = {1e-3}}, 8);
  step.run({.step = 1, .position = 8, .learning_rate = {1e-3}}, 8);
  const std::vector<const void*> before = places();
  const std::size_t fresh = device->fresh_allocations(), in_use = device->bytes_in_use();
  CHECK(places() == before);
  for (std::int64_t i = 2; i < 70; ++i) step.run({.step = i, .position = 16, .learning_rate = {1e-3}}, 8);
  CHECK(device->fresh_allocations() == fresh);
  CHECK(device->bytes_in_use() == in_use);
  CHECK(places() == before);
}

TEST_CASE("copies between host and tensor check type and size") {
  const auto device = reference();
  const Tensor tensor = Tensor::zeros(device, {2, 3}, DType::f32);
  CHECK_THROWS_WITH(tensor.to_host<double>(),
                    Catch::Contains("float32") && Catch::Contains("[2, 3]") && Catch::Contains("float64"));
  CHECK_THROWS_AS(tensor.copy_from(std::span<const float>(std::vector<float>(5))), ShapeError);
  CHECK_THROWS_AS(tensor.reshape({7}), ShapeError);
  CHECK_THROWS_AS(tensor.slice(4, {3}), ShapeError);
  CHECK_THROWS_AS(tensor.slice(-1, {3}), ShapeError);
  const Tensor tail = tensor.slice(4, {2});
  tail.copy_from(std::span<const float>(std::vector<float>{7, 8}));
  CHECK(tensor.to_host<float>() == std::vector<float>{0, 0, 0, 0, 7, 8});
  CHECK(tensor.reshape({3, 2}).to_host<float>() == tensor.to_host<float>());
}

TEST_CASE("numbers of bytes for people") {
  CHECK(format_bytes(0) == "0 B");
  CHECK(format_bytes(1023) == "1023 B");
  CHECK(format_bytes(1536) == "1.5 KiB");
  CHECK(format_bytes(std::size_t{3} << 30) == "3.0 GiB");
}

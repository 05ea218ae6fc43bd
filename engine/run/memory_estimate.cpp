#include "engine/run/memory_estimate.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "engine/train/evaluate.h"
#include "engine/train/train_step.h"

namespace tessera {
namespace {

using namespace kernels;

// ---- a device without memory ---------------------------------------------------------------------------------------------

// An address for each allocation, with next to nothing behind it.
void* address(int, std::size_t) {
  void* memory = nullptr;
  if (posix_memalign(&memory, 256, 256) != 0) throw OutOfMemory("host memory: cannot allocate 256 bytes");
  return memory;
}

Runtime without_memory(const Runtime& like) {
  Runtime runtime{.device_count = [](std::string*) { return 1; },
                  .device_info = [](int) { return DeviceInfo{.name = "no memory", .detail = ""}; },
                  .allocate = address,
                  .release = [](int, void* memory) { std::free(memory); },
                  .create_stream = [](int) -> void* { return nullptr; },
                  .destroy_stream = [](int, void*) {},
                  .copy =
                      [](void*, void* to, const void*, std::size_t bytes, Copy direction) {
                        if (direction == Copy::device_to_host && bytes > 0) std::memset(to, 0, bytes);
                      },
                  .zero = [](void*, void*, std::size_t) {},
                  .synchronize = [](void*) {},
                  .begin_recording = nullptr,
                  .end_recording = nullptr,
                  .replay = nullptr,
                  .destroy_recording = nullptr,
                  .host_memory = like.host_memory};
  if (like.begin_recording) {  // recorded work has a memory pool of its own
    runtime.begin_recording = [](void*) {};
    runtime.end_recording = [](void*) -> void* { return nullptr; };
    runtime.replay = [](void*, void*) {};
    runtime.destroy_recording = [](void*) {};
  }
  return runtime;
}

template <class Derived, class... Arguments>
auto idle(const SlotFunction<Derived, void(Stream&, Arguments...)>& real) {
  return real ? +[](Stream&, Arguments...) {} : nullptr;
}

Backend without_kernels(const Backend& like, const Runtime& runtime) {
  return {
      .name = like.name,
      .runtime = runtime,
      .gpu = like.gpu,
#define TESSERA_SLOT(name, ...) .name = idle(like.name),
#include "kernels/slots.def"
  };
}

// ---- a device whose kernels' workspaces are seen ---------------------------------------------------------------------------

struct Measuring : Backend {
  Measuring(const Backend& table, const Backend& of) : Backend(table), real(of) {}
  const Backend& real;
  mutable std::vector<std::size_t> borrowed = {};  // by each call
};

template <auto slot, class... Arguments>
void measured(Stream& stream, Arguments... arguments) {
  const auto& table = static_cast<const Measuring&>(stream.backend);
  Stream own(table.real, stream.device, stream.options);  // whose workspace nobody has used before
  (table.real.*slot)(own, arguments...);
  table.borrowed.push_back(own.workspace.capacity());
}

template <auto slot, class Derived, class... Arguments>
auto measure(const SlotFunction<Derived, void(Stream&, Arguments...)>& real) {
  return real ? &measured<slot, Arguments...> : nullptr;
}

Backend measuring_table(const Backend& of) {
  return {
      .name = of.name,
      .runtime = of.runtime,
#define TESSERA_SLOT(name, ...) .name = measure<&Backend::name>(of.name),
#include "kernels/slots.def"
  };
}

// ---- the work ----------------------------------------------------------------------------------------------------------------

// Runs what is asked about, and says what each part of it has taken from the device.
MemoryEstimate run(const MemoryQuestion& question, const std::shared_ptr<Device>& device) {
  Recipe recipe = question.recipe;
  recipe.class_weights = {};  // a number a class, and it may not be known yet which
  const std::int64_t batch = recipe.batch_size, images = std::max(question.images, batch);
  MemoryEstimate estimate;
  std::size_t before = 0;
  const auto taken = [&](std::size_t& part) {
    part = device->bytes_reserved() - before;
    before = device->bytes_reserved();
  };
  const std::unique_ptr<Network> network = question.make();
  ParameterStore parameters(*network, device, 1);
  taken(estimate.network);

  const Shape shape = network->input();
  const DeviceImages set{Tensor::zeros(device, {images, shape[0], shape[1], shape[2]}, DType::u8),
                         Tensor::zeros(device, {images}, DType::i32), images};
  const ImageBatches plain(set, gather_params(recipe.normalization, Augmentation::none, 1));
  if (!question.training) {
    taken(estimate.images);
    evaluate(*network, plain, {.batch_size = batch});
    taken(estimate.step);
    return estimate;
  }
  const ImageBatches augmented(set, recipe.normalization, recipe.augment, 1);
  taken(estimate.images);
  const std::vector<ParameterGroup> groups = completed_groups(recipe.optimizer, parameters, recipe.groups);
  const std::unique_ptr<Optimizer> optimizer = make_optimizer(recipe.optimizer, parameters, groups);
  std::optional<WeightAverage> average;
  if (recipe.ema) average.emplace(parameters, *recipe.ema);
  taken(estimate.optimizer);

  StepOptions options = step_options(recipe, device, average ? &*average : nullptr);
  TrainStep step(*network, parameters, *optimizer, augmented, options);
  step.run({}, batch);
  step.run({.step = 1}, batch);
  if (const std::int64_t rest = images % batch; rest > 0 && !recipe.drop_last) step.run({.step = 2}, rest);
  evaluate(*network, plain, {.batch_size = batch});
  taken(estimate.step);
  return estimate;
}

MemoryEstimate without_workspace(const MemoryQuestion& question) {
  const Runtime runtime = without_memory(question.backend->runtime);
  const Backend table = without_kernels(*question.backend, runtime);
  return run(question, Device::open({.options = question.options, .precision = question.recipe.precision}, table));
}

std::vector<std::size_t> borrowed(MemoryQuestion question, std::int64_t batch) {
  question.recipe.batch_size = batch, question.images = 0;
  const Measuring table(measuring_table(*question.backend), *question.backend);
  run(question, Device::open({.options = question.options, .precision = question.recipe.precision}, table));
  return table.borrowed;
}

// By batch size, what the calls of a step borrow.
class Workspaces {
 public:
  explicit Workspaces(const MemoryQuestion& question) : known_(question.backend->runtime.host_memory) {
    if (!known_) return;
    large_ = std::min<std::int64_t>(question.recipe.batch_size, measured_batch);
    at_large_ = borrowed(question, large_);
    if (question.recipe.batch_size == large_) return;
    small_ = large_ / 2;
    at_small_ = borrowed(question, small_);
  }

  // A workspace grows to what a call asks for, or by doubling, and keeps what it has outgrown.
  std::size_t at(std::int64_t batch) const {
    std::size_t capacity = 0, total = 0;
    for (std::size_t i = 0; i < at_large_.size(); ++i) {
      const std::size_t bytes = need(i, batch);
      if (bytes <= capacity) continue;
      capacity = std::max(bytes, 2 * capacity);
      total += capacity;
    }
    return total;
  }

 private:
  static constexpr std::int64_t measured_batch = 32;

  std::size_t need(std::size_t i, std::int64_t batch) const {
    const auto large = static_cast<double>(at_large_[i]);
    if (batch == large_) return at_large_[i];
    const double small = at_small_.size() == at_large_.size() ? static_cast<double>(at_small_[i]) : 0;
    const double slope = std::max(0.0, (large - small) / static_cast<double>(large_ - small_));
    return static_cast<std::size_t>(std::max(0.0, large + slope * static_cast<double>(batch - large_)));
  }

  bool known_;
  std::int64_t small_ = 0, large_ = 0;
  std::vector<std::size_t> at_small_, at_large_;
};

}  // namespace

MemoryEstimate estimate_memory(const MemoryQuestion& question) {
  MemoryEstimate estimate = without_workspace(question);
  estimate.workspace = Workspaces(question).at(question.recipe.batch_size);
  return estimate;
}

std::int64_t largest_batch(MemoryQuestion question, std::size_t bytes) {
  constexpr std::int64_t most = std::int64_t{1} << 20;
  question.recipe.batch_size = most;  // so that two batches are measured
  const Workspaces workspaces(question);
  const auto fits = [&](std::int64_t batch) {
    question.recipe.batch_size = batch;
    return without_workspace(question).total() + workspaces.at(batch) <= bytes;
  };
  std::int64_t low = 0, high = 1;  // low fits, high may not
  while (high <= most && fits(high)) low = high, high *= 2;
  if (low == most) return most;
  while (high - low > std::max<std::int64_t>(1, low / 256)) {
    const std::int64_t middle = low + (high - low) / 2;
    (fits(middle) ? low : high) = middle;
  }
  return low;
}

}  // namespace tessera

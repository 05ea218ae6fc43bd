#include "engine/run/memory_estimate.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>

#include "engine/train/evaluate.h"
#include "engine/train/train_step.h"
#include "kernels/prepared_sizes.h"

namespace tessera {
namespace {

using namespace kernels;

// ---- a device without memory ---------------------------------------------------------------------------------------------

constexpr std::size_t page = 4096;

// Memory that takes none until it is written; in front of it a page that says how much it is.
void* untouched(int, std::size_t bytes) {
  const std::size_t all = page + (bytes + page - 1) / page * page;
  void* const begin = mmap(nullptr, all, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (begin == MAP_FAILED) throw OutOfMemory("no addresses are left for " + std::to_string(bytes) + " bytes");
  std::memcpy(begin, &all, sizeof all);
  return static_cast<std::byte*>(begin) + page;
}

void give_back(int, void* memory) {
  void* const begin = static_cast<std::byte*>(memory) - page;
  std::size_t all = 0;
  std::memcpy(&all, begin, sizeof all);
  munmap(begin, all);
}

Runtime without_memory(const Runtime& like) {
  Runtime runtime{.device_count = [](std::string*) { return 1; },
                  .device_info = [](int) { return DeviceInfo{.name = "no memory", .detail = ""}; },
                  .allocate = untouched,
                  .release = give_back,
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

// The products put down what would be kept of their weights, where somebody wants to know.
struct Idle : Backend {
  Idle(const Backend& table, const Backend& of) : Backend(table), real(of) {}
  const Backend& real;
  mutable PreparedSizes* kept = nullptr;
};

template <auto size, class... Arguments>
void put_size(Stream& stream, const Arguments&... arguments) {
  const auto& table = static_cast<const Idle&>(stream.backend);
  if (table.kept)
    (preparation_sizes_of(table.real)->*size)({table.real, stream.device, stream.options}, *table.kept, arguments...);
}
void idle_conv2d(Stream& stream, const Conv2dShape& shape, ConstView, ConstView w, const Conv2dEpilogue&, View) {
  put_size<&PreparationSizes::conv2d_forward>(stream, shape, w);
}
void idle_matmul(Stream& stream, const MatmulParams& params, ConstView a, ConstView b, ConstView, Gradient) {
  put_size<&PreparationSizes::matmul>(stream, params, a, b);
}

Backend idle_table(const Backend& like, const Runtime& runtime) {
  Backend table{
      .name = like.name,
      .runtime = runtime,
      .gpu = like.gpu,
#define TESSERA_SLOT(name, ...) .name = idle(like.name),
#include "kernels/slots.def"
  };
  table.conv2d_forward = idle_conv2d;
  table.matmul = idle_matmul;
  return table;
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

// ---- a device whose kernels' workspaces are asked for, and not given -------------------------------------------------------

struct Wanted {
  std::size_t bytes;
};

Runtime refusing(Runtime runtime) {
  runtime.allocate = [](int, std::size_t bytes) -> void* { throw Wanted{bytes}; };
  return runtime;
}

// Its calls end where they borrow; those that borrowed nothing at a smaller batch are not made.
struct Probing : Backend {
  Probing(const Backend& table, const Backend& of, const std::vector<std::size_t>& at_smaller_batch)
      : Backend(table), refuse(refusing(of.runtime)), real(overlay(of, of.name, refuse)), smaller(at_smaller_batch) {}
  Runtime refuse;
  Backend real;
  const std::vector<std::size_t>& smaller;
  mutable std::vector<std::size_t> borrowed = {};
};

template <auto slot, class... Arguments>
void probed(Stream& stream, Arguments... arguments) {
  const auto& table = static_cast<const Probing&>(stream.backend);
  const std::size_t call = table.borrowed.size();
  std::size_t wanted = 0;
  if (call < table.smaller.size() && table.smaller[call] > 0) {
    Stream own(table.real, stream.device, stream.options);
    try {
      (table.real.*slot)(own, arguments...);
    } catch (const Wanted& w) {
      wanted = w.bytes;
    }
  }
  table.borrowed.push_back(wanted);
}

template <auto slot, class Derived, class... Arguments>
auto probe(const SlotFunction<Derived, void(Stream&, Arguments...)>& real) {
  return real ? &probed<slot, Arguments...> : nullptr;
}

Backend probing_table(const Backend& of, const Runtime& runtime) {
  return {
      .name = of.name,
      .runtime = runtime,
#define TESSERA_SLOT(name, ...) .name = probe<&Backend::name>(of.name),
#include "kernels/slots.def"
  };
}

// ---- the work ----------------------------------------------------------------------------------------------------------------

// Bytes that are taken while an evaluation goes on, on a device that prepares one as Inference does (nn/inference.h): memory for a
// pass of each size of batch, which serves nothing else, and weights in other forms.
std::size_t while_evaluating(Network& network, const ImageBatches& images, std::int64_t batch, const Idle& table) {
  const std::shared_ptr<Device> device = images.device();
  struct Pass {
    std::shared_ptr<MemoryPool> pool;
    Batch batch;
    Tensor x, outputs = {};
  };
  std::vector<Pass> passes;
  PreparedSizes kept;
  table.kept = &kept;
  for (const std::int64_t size : {std::min(batch, images.count()), images.count() > batch ? images.count() % batch : 0}) {
    if (size == 0) continue;
    Batch drawn = images.draw(size, nullptr);
    Pass& pass = passes.emplace_back(Pass{device->new_pool(), drawn, drawn.x.like()});
    const Device::PoolScope scope(*device, pass.pool);
    pass.outputs = network.forward({}, Variable(pass.x)).value();
  }
  table.kept = nullptr;
  std::size_t bytes = device->bytes_reserved();
  for (const auto& [weights, size] : kept) bytes += size;
  return bytes;
}

// Runs what is asked about, and says what each part of it has taken from the device. `idle`: its table, where that is one.
MemoryEstimate run(const MemoryQuestion& question, const std::shared_ptr<Device>& device, const Idle* idle) {
  Recipe recipe = question.recipe;
  recipe.class_weights = {};  // a number a class, and it may not be known yet which
  const std::int64_t batch = recipe.batch_size, images = std::max(question.images, batch);
  MemoryEstimate estimate;
  std::size_t before = 0;
  const auto taken = [&](std::size_t& part) {
    part += device->bytes_reserved() - before;
    before = device->bytes_reserved();
  };
  const std::unique_ptr<Network> network = question.make();
  ParameterStore parameters(*network, device, 1);
  taken(estimate.network);

  const Shape shape = network->input();
  const auto set_of = [&](std::int64_t count) {
    return DeviceImages{Tensor::zeros(device, {count, shape[0], shape[1], shape[2]}, DType::u8),
                        Tensor::zeros(device, {count}, DType::i32), count};
  };
  std::optional<DeviceImages> train;
  if (question.training || question.test_images == 0) train = set_of(images);
  DeviceImages tested = question.test_images > 0 ? set_of(question.test_images) : *train;
  // A batch and the last, smaller one: the others take what the first took.
  if (tested.count > batch) tested.count = batch + tested.count % batch;
  const ImageBatches plain(tested, gather_params(recipe.normalization, Augmentation::none, 1));
  std::optional<ImageBatches> augmented;
  if (question.training) augmented.emplace(*train, recipe.normalization, recipe.augment, 1);
  taken(estimate.images);
  if (question.backend->runtime.host_memory) {  // what a block has behind them is never touched
    estimate.images = 0;
    for (const DeviceImages* set : {train ? &*train : nullptr, question.test_images > 0 ? &tested : nullptr})
      if (set) estimate.images += set->images.bytes() + set->labels.bytes();
  }

  const std::size_t weights =
      static_cast<std::size_t>(parameters.trainable_count() + parameters.non_trainable_count()) * sizeof(float);
  if (!question.training) estimate.data = weights;  // the file stays open
  std::unique_ptr<Optimizer> optimizer;
  std::optional<WeightAverage> average;
  std::optional<TrainStep> step;
  if (question.training) {
    const std::vector<ParameterGroup> groups = completed_groups(recipe.optimizer, parameters, recipe.groups);
    optimizer = make_optimizer(recipe.optimizer, parameters, groups);
    std::size_t remembered = 0;
    taken(remembered);
    if (recipe.ema) average.emplace(parameters, *recipe.ema);
    taken(estimate.optimizer);
    estimate.optimizer += remembered;
    // A checkpoint is made in memory: copies of what the optimiser remembers, then files, one after another.
    estimate.saving = remembered + weights * (average ? 2 : 1) + std::max(weights, remembered);

    step.emplace(*network, parameters, *optimizer, *augmented, step_options(recipe, device, average ? &*average : nullptr));
    step->run({}, batch);
    step->run({.step = 1}, batch);
    if (const std::int64_t rest = images % batch; rest > 0 && !recipe.drop_last) step->run({.step = 2}, rest);
    taken(estimate.step);
  }
  if (idle && preparation_sizes_of(*question.backend)) {
    const std::size_t most = while_evaluating(*network, plain, batch, *idle);
    taken(estimate.step);
    estimate.evaluation = most - std::min(most, before);
  } else {
    evaluate(*network, plain, {.batch_size = batch});
    taken(estimate.step);
  }
  return estimate;
}

MemoryEstimate without_workspace(const MemoryQuestion& question) {
  const Runtime runtime = without_memory(question.backend->runtime);
  const Idle table(idle_table(*question.backend, runtime), *question.backend);
  MemoryEstimate estimate =
      run(question, Device::open({.options = question.options, .precision = question.recipe.precision}, table), &table);
  if (question.backend->runtime.host_memory) {
    const Shape shape = question.make()->input();
    const std::int64_t images = question.images + question.test_images;
    const std::size_t each = static_cast<std::size_t>(shape.count()) + sizeof(std::int32_t);
    estimate.data += static_cast<std::size_t>(images) * each;
  } else {
    estimate.saving = estimate.data = 0;  // in the host's memory
  }
  return estimate;
}

// What the calls of a step and an evaluation borrow, one after another.
class Workspaces {
 public:
  explicit Workspaces(const MemoryQuestion& question) : question_(question) {
    if (!question.backend->runtime.host_memory) return;
    question_.images = 0, question_.test_images = 0;
    question_.recipe.batch_size = measured_ = std::min<std::int64_t>(question.recipe.batch_size, most_measured);
    const Measuring table(measuring_table(*question.backend), *question.backend);
    run_on(table);
    at_measured_ = table.borrowed;
  }

  // A workspace grows to what a call asks for, or by doubling, and keeps what it has outgrown.
  std::size_t at(std::int64_t batch) {
    std::vector<std::size_t> borrowed = at_measured_;
    if (batch != measured_ && !borrowed.empty()) {
      question_.recipe.batch_size = batch;
      const Runtime runtime = without_memory(question_.backend->runtime);
      const Probing table(probing_table(*question_.backend, runtime), *question_.backend, at_measured_);
      run_on(table);
      borrowed = table.borrowed;
    }
    std::size_t capacity = 0, total = 0;
    for (const std::size_t bytes : borrowed) {
      if (bytes <= capacity) continue;
      capacity = std::max(bytes, 2 * capacity);
      total += capacity;
    }
    return total;
  }

 private:
  static constexpr std::int64_t most_measured = 32;

  void run_on(const Backend& table) const {
    run(question_, Device::open({.options = question_.options, .precision = question_.recipe.precision}, table), nullptr);
  }

  MemoryQuestion question_;
  std::int64_t measured_ = 0;
  std::vector<std::size_t> at_measured_ = {};
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
  Workspaces workspaces(question);
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

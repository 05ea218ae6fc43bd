#include "engine/train/train_step.h"

#include "engine/ops/elementwise.h"

namespace tessera {

StepOptions step_options(const Recipe& recipe, const std::shared_ptr<Device>& device, const WeightAverage* average) {
  if (recipe.class_weights.balanced) throw UsageError("balanced class weights take counts of the data's labels first");
  StepOptions options{.seed = recipe.seed,
                      .label_smoothing = recipe.label_smoothing,
                      .summed_loss = recipe.summed_loss,
                      .clip_norm = recipe.clip_norm,
                      .average = average,
                      .accumulate = recipe.accumulate};
  const std::vector<double>& weights = recipe.class_weights.values;
  if (!weights.empty())
    options.class_weights = Tensor::from(device, {static_cast<std::int64_t>(weights.size())},
                                         std::vector<float>(weights.begin(), weights.end()));
  return options;
}

TrainStep::TrainStep(Network& network, ParameterStore& parameters, Optimizer& optimizer, const BatchSource& batches,
                     StepOptions options)
    : network_(network),
      parameters_(parameters),
      optimizer_(optimizer),
      batches_(batches),
      options_(std::move(options)),
      state_(parameters.device()),
      metrics_(parameters.device()),
      guard_(Tensor::zeros(parameters.device(), {sizeof(kernels::StepGuard)}, DType::u8)) {
  if (options_.accumulate == 1) return;
  gradient_sum_ = parameters.gradients().like();
  buffers_ = parameters.buffer_values().like(), buffer_sum_ = buffers_.like();
}

std::vector<TrainStep::Part> TrainStep::parts_of(std::int64_t size) const {
  std::vector<Part> parts;
  const std::int64_t count = options_.accumulate;
  for (std::int64_t k = 0; k < count && static_cast<std::int64_t>(parts.size()) < size; ++k) {
    const std::int64_t first = k * size / count, end = (k + 1) * size / count;
    const double share = static_cast<double>(end - first) / static_cast<double>(size);
    if (end > first)
      parts.push_back({k, first, end - first, share, options_.summed_loss ? static_cast<double>(end - first) : share});
  }
  return parts;
}

void TrainStep::run(const kernels::StepState& state, std::int64_t size, int variant) {
  const std::shared_ptr<Device>& device = parameters_.device();
  state_.write(state);
  loss_ = {};  // before anything is allocated: a step finds its tensors where they were
  for (const Part& part : parts_of(size)) {
    batches_.prepare(state.position, part.size, part.first);
    metrics_.prepare(part.size);
    if (Tensor& seed = seeds_[part.seed]; !seed)
      seed = Tensor::from(device, {1}, std::span<const float>(std::vector{static_cast<float>(part.seed)}));
  }
  if (!record_ || !RecordedWork::possible(*device)) return issue(size, loss_);
  if (!pool_) pool_ = device->new_pool();
  Recorded& recorded = recorded_.try_emplace({size, variant}, device, pool_).first->second;
  recorded.work.run([&] { issue(size, recorded.loss); });
  loss_ = recorded.loss;
}

Tensor TrainStep::pass(const Part& part) {
  const kernels::StepState* on_device = state_.device_pointer();
  parameters_.clear_gradients();
  const Batch batch = batches_.draw(part.size, on_device, part.first);
  const Context context{.training = true,
                        .gradients = true,
                        .seed = options_.seed + static_cast<std::uint64_t>(part.number) * 0x9E3779B97F4A7C15u,
                        .label_smoothing = options_.label_smoothing,
                        .class_weights = options_.class_weights,
                        .other_labels = batch.other,
                        .label_share = batch.share,
                        .state = on_device};
  const Variable logits = convert(network_.forward(context, batch.x), DType::f32);
  const Variable loss = network_.loss(context, logits, batch.y);
  metrics_.add(logits.value(), batch.y, loss.value(), part.share);
  backward(loss, seeds_.at(part.seed));
  return loss.value();
}

// Part k alone moves the running statistics by m·(batch_k − r), which is linear in the batch's: the sum of these, weighted by
// the parts' shares, is m·(Σ share_k·batch_k − r), and nothing where they rest.
void TrainStep::add_up(const std::vector<Part>& parts, Tensor& loss) {
  Device& device = *parameters_.device();
  const auto copy = [&](const Tensor& from, const Tensor& to) {
    if (from.count() > 0) device.run(&Backend::convert, from, {to, false});
  };
  const Tensor &gradients = parameters_.gradients(), &buffers = parameters_.buffer_values();
  copy(buffers, buffers_);
  loss = Tensor::empty(parameters_.device(), {1}, DType::f32);
  for (std::size_t k = 0; k < parts.size(); ++k) {
    if (k > 0) copy(gradients, gradient_sum_), copy(buffers_, buffers);
    const Tensor own = pass(parts[k]);
    if (k > 0) device.run(&Backend::arithmetic, kernels::Arithmetic::add, gradient_sum_, gradients, {gradients, false});
    const auto add = [&](const Tensor& share, const Tensor& sum) {
      device.run(&Backend::scale, parts[k].share, {}, share, {sum, k > 0});
    };
    add(own, loss);
    if (buffers.count() == 0) continue;
    device.run(&Backend::arithmetic, kernels::Arithmetic::subtract, buffers, buffers_, {buffers, false});
    add(buffers, buffer_sum_);
  }
  if (buffers.count() > 0)
    device.run(&Backend::arithmetic, kernels::Arithmetic::add, buffers_, buffer_sum_, {buffers, false});
}

void TrainStep::clip() {
  Device& device = *parameters_.device();
  const std::vector<ParameterStore::Range> ranges = parameters_.ranges_with_gradient();
  const Tensor squares = Tensor::empty(parameters_.device(), {1}, DType::f32), &gradients = parameters_.gradients();
  for (std::size_t i = 0; i < ranges.size(); ++i)
    device.run(&Backend::sum_of_squares, 1.0, gradients.slice(ranges[i].first, {ranges[i].count}), {squares, i > 0});
  for (const ParameterStore::Range& range : ranges)
    device.run(&Backend::clip_norm, *options_.clip_norm, squares, gradients.slice(range.first, {range.count}));
}

void TrainStep::issue(std::int64_t size, Tensor& loss) {
  const kernels::StepState* on_device = state_.device_pointer();
  auto* guard = static_cast<kernels::StepGuard*>(guard_.data());
  loss = {};
  const std::vector<Part> parts = parts_of(size);
  if (options_.accumulate == 1)
    loss = pass(parts.front());
  else
    add_up(parts, loss);
  parameters_.device()->run(&Backend::check_finite, parameters_.gradients(), guard);
  if (options_.clip_norm) clip();
  optimizer_.update(on_device, guard);
  if (options_.average) options_.average->update(on_device, guard);
}

double TrainStep::batch_loss() const { return loss_ ? loss_.to_host<float>().at(0) : 0; }

kernels::StepGuard TrainStep::guard() const {
  kernels::StepGuard guard;
  guard_.on().download(&guard, guard_.data(), sizeof guard);
  return guard;
}

void TrainStep::set_guard(const kernels::StepGuard& guard) { guard_.on().upload(guard_.data(), &guard, sizeof guard); }

}  // namespace tessera

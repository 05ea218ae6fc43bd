#include "engine/train/train_step.h"

#include "engine/ops/elementwise.h"

namespace tessera {

StepOptions step_options(const Recipe& recipe, const std::shared_ptr<Device>& device, const WeightAverage* average,
                         Communicator* ranks, std::optional<std::int64_t> bucket_bytes) {
  if (recipe.class_weights.balanced) throw UsageError("balanced class weights take counts of the data's labels first");
  StepOptions options{.seed = recipe.seed,
                      .label_smoothing = recipe.label_smoothing,
                      .summed_loss = recipe.summed_loss,
                      .clip_norm = recipe.clip_norm,
                      .average = average,
                      .accumulate = recipe.accumulate,
                      .ranks = ranks,
                      .sync_batch_norm = recipe.sync_batch_norm,
                      .wire = {.bucket_bytes = bucket_bytes, .bf16 = recipe.bf16_wire}};
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
  const bool shared = options_.ranks && options_.ranks->size() > 1;
  if (options_.sync_batch_norm && options_.accumulate > (shared ? options_.ranks->size() : 1))
    throw UsageError("--sync-batch-norm joins the statistics of parts that are under way at the same time, and of " +
                     std::to_string(options_.accumulate) + " parts some come after others: give --accumulate 1");
  if (shared && options_.sync_batch_norm) {
    shares_.emplace(*options_.ranks);
    never_record();
  }
  if (shared) options_.accumulate = std::max<std::int64_t>(options_.accumulate, options_.ranks->size());
  if (options_.optimizer_shares) {
    if (options_.clip_norm)
      throw UsageError(
          "--clip-norm takes all gradients together, and with --shard-optimizer no rank has them: give one of them "
          "(--shard-optimizer=false)");
    options_.wire.owners = options_.optimizer_shares->begins();
  }
  if (options_.accumulate == 1) return;
  buffers_ = parameters.buffer_values().like(), buffer_sum_ = buffers_.like();
  if (shared)
    exchange_.emplace(*options_.ranks, parameters, options_.accumulate, options_.wire);
  else
    gradient_sum_ = parameters.gradients().like();
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

void TrainStep::prepare(const kernels::StepState& state, const Part& part) {
  batches_.prepare(state.position, part.size, part.first);
  metrics_.prepare(part.size);
  if (Tensor& seed = seeds_[part.seed]; !seed)
    seed = Tensor::from(parameters_.device(), {1}, std::span<const float>(std::vector{static_cast<float>(part.seed)}));
}

TrainStep::Recorded& TrainStep::recorded(std::int64_t size, int variant, int round) {
  const std::shared_ptr<Device>& device = parameters_.device();
  if (!pool_) pool_ = device->new_pool();
  return recorded_.try_emplace({size, variant, round}, device, pool_).first->second;
}

template <class Work>
void TrainStep::run_recorded(Recorded& recorded, const Work& work) {
  if (record_)
    recorded.work.run(work);
  else
    work();
}

void TrainStep::run(const kernels::StepState& state, std::int64_t size, int variant) {
  state_.write(state);
  loss_ = {};  // before anything is allocated: a step finds its tensors where they were
  if (exchange_) return run_shared(state, size, variant);
  for (const Part& part : parts_of(size)) prepare(state, part);
  if (!record_ || !RecordedWork::possible(*parameters_.device())) return issue(size, loss_);
  Recorded& step = recorded(size, variant);
  step.work.run([&] { issue(size, step.loss); });
  loss_ = step.loss;
}

// In rounds of a part a rank. Part k's gradients are added behind those of part k − 1 wherever both are, so all comes out as
// in add_up. A rank without images in a round goes through the motions with the batch's first one: it then knows which
// parameters receive a gradient; nobody asks for the result.
void TrainStep::run_shared(const kernels::StepState& state, std::int64_t size, int variant) {
  const std::vector<Part> parts = parts_of(size);
  const int ranks = options_.ranks->size();
  for (std::size_t next = 0, first = 0; next < parts.size(); first = next) {
    const std::int64_t round = parts[next].number / ranks;
    RankExchange::Round shares{
        .counts = std::vector<bool>(static_cast<std::size_t>(ranks)), .first = round * ranks, .last = false};
    Part own{round * ranks + options_.ranks->rank(), 0, 1, 1, 1};
    for (; next < parts.size() && parts[next].number / ranks == round; ++next) {
      shares.counts[static_cast<std::size_t>(parts[next].number % ranks)] = true;
      if (parts[next].number == own.number) own = parts[next];
    }
    shares.last = next == parts.size();
    if (shares_) shares_->set_counts(shares.counts[static_cast<std::size_t>(options_.ranks->rank())]);
    prepare(state, own);
    metrics_.set({});
    Recorded& step = recorded(size, variant, static_cast<int>(round));
    const bool replayed = record_ && RecordedWork::possible(*parameters_.device());  // backward() then tells nothing
    exchange_->begin(shares, step.ranges.empty() || replayed ? nullptr : &step.ranges);
    run_recorded(step, [&] {
      step.loss = {};
      step.loss = pass_own(own, first == 0);
      step.ranges = parameters_.ranges_with_gradient();
    });
    exchange_->finish(shares, metrics_.get(), step.loss, step.ranges);
  }
  Recorded& rest = recorded(size, variant);
  run_recorded(rest, [&] {
    rest.loss = {};
    join(parts, rest.loss);
    if (!options_.optimizer_shares) update();
  });
  if (options_.optimizer_shares) update();
  loss_ = rest.loss;
}

Tensor TrainStep::pass_own(const Part& part, bool first) {
  Device& device = *parameters_.device();
  const Tensor& buffers = parameters_.buffer_values();
  if (buffers.count() > 0) device.run(&Backend::convert, first ? buffers : buffers_, {first ? buffers_ : buffers, false});
  Tensor loss = pass(part, [&](const GradNode& leaf) { exchange_->on_leaf(leaf); });
  if (buffers.count() > 0)
    device.run(&Backend::arithmetic, kernels::Arithmetic::subtract, buffers, buffers_, {buffers, false});
  return loss;
}

void TrainStep::join(const std::vector<Part>& parts, Tensor& loss) {
  Device& device = *parameters_.device();
  const Tensor& buffers = parameters_.buffer_values();
  loss = Tensor::empty(parameters_.device(), {1}, DType::f32);
  for (std::size_t k = 0; k < parts.size(); ++k) {
    device.run(&Backend::scale, parts[k].share, {}, exchange_->loss_of(parts[k].number), {loss, k > 0});
    if (buffers.count() > 0)
      device.run(&Backend::scale, parts[k].share, {}, exchange_->buffers_of(parts[k].number), {buffer_sum_, k > 0});
  }
  if (buffers.count() > 0)
    device.run(&Backend::arithmetic, kernels::Arithmetic::add, buffers_, buffer_sum_, {buffers, false});
}

Tensor TrainStep::pass(const Part& part, const OnLeaf& on_leaf) {
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
                        .state = on_device,
                        .shares = shares_ ? &*shares_ : nullptr};
  const Variable logits = convert(network_.forward(context, batch.x), DType::f32);
  const Variable loss = network_.loss(context, logits, batch.y);
  metrics_.add(logits.value(), batch.y, loss.value(), part.share);
  backward(loss, seeds_.at(part.seed), on_leaf);
  return loss.value();
}

// Part k alone moves the running statistics by m·(batch_k − r), which is linear in the batch's: the sum of these, weighted by
// the parts' shares, is m·(Σ share_k·batch_k − r), and nothing where they rest. Where no gradient arrives, there is an older
// one or none: it is left alone.
void TrainStep::add_up(const std::vector<Part>& parts, Tensor& loss) {
  Device& device = *parameters_.device();
  const auto copy = [&](const Tensor& from, const Tensor& to) {
    if (from.count() > 0) device.run(&Backend::convert, from, {to, false});
  };
  const Tensor &gradients = parameters_.gradients(), &buffers = parameters_.buffer_values();
  std::vector<ParameterStore::Range> ranges;
  const auto slice = [&](const Tensor& flat, const ParameterStore::Range& range) {
    return flat.slice(range.first, {range.count});
  };
  copy(buffers, buffers_);
  loss = Tensor::empty(parameters_.device(), {1}, DType::f32);
  for (std::size_t k = 0; k < parts.size(); ++k) {
    if (k > 0) copy(buffers_, buffers);
    for (const auto& range : ranges) copy(slice(gradients, range), slice(gradient_sum_, range));
    const Tensor own = pass(parts[k]);
    for (const auto& range : ranges)
      device.run(&Backend::arithmetic, kernels::Arithmetic::add, slice(gradient_sum_, range), slice(gradients, range),
                 {slice(gradients, range), false});
    ranges = parameters_.ranges_with_gradient();
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

void TrainStep::update() {
  const kernels::StepState* on_device = state_.device_pointer();
  auto* guard = static_cast<kernels::StepGuard*>(guard_.data());
  if (options_.optimizer_shares)
    options_.optimizer_shares->check_finite(guard_);
  else
    parameters_.device()->run(&Backend::check_finite, parameters_.gradients(), guard);
  if (options_.clip_norm) clip();
  optimizer_.update(on_device, guard);
  if (options_.optimizer_shares) options_.optimizer_shares->gather_values();
  if (options_.average) options_.average->update(on_device, guard);
}

void TrainStep::issue(std::int64_t size, Tensor& loss) {
  loss = {};
  const std::vector<Part> parts = parts_of(size);
  if (options_.accumulate == 1)
    loss = pass(parts.front());
  else
    add_up(parts, loss);
  update();
}

double TrainStep::batch_loss() const { return loss_ ? loss_.to_host<float>().at(0) : 0; }

kernels::StepGuard TrainStep::guard() const {
  kernels::StepGuard guard;
  guard_.on().download(&guard, guard_.data(), sizeof guard);
  return guard;
}

void TrainStep::set_guard(const kernels::StepGuard& guard) { guard_.on().upload(guard_.data(), &guard, sizeof guard); }

}  // namespace tessera

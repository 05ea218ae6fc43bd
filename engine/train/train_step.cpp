#include "engine/train/train_step.h"

#include "engine/ops/elementwise.h"

namespace tessera {

TrainStep::TrainStep(Network& network, ParameterStore& parameters, Optimizer& optimizer, const BatchSource& batches,
                     std::uint64_t seed, double label_smoothing, bool summed_loss)
    : network_(network),
      parameters_(parameters),
      optimizer_(optimizer),
      batches_(batches),
      seed_(seed),
      label_smoothing_(label_smoothing),
      summed_loss_(summed_loss),
      state_(parameters.device()),
      metrics_(parameters.device()),
      guard_(Tensor::zeros(parameters.device(), {sizeof(kernels::StepGuard)}, DType::u8)) {}

void TrainStep::run(const kernels::StepState& state, std::int64_t size, int variant) {
  const std::shared_ptr<Device>& device = parameters_.device();
  state_.write(state);
  batches_.prepare(state.position, size);
  loss_ = {};  // before anything is allocated: a step finds its tensors where they were
  metrics_.prepare(size);
  if (Tensor& seed = seeds_[size]; !seed)
    seed = Tensor::from(device, {1}, std::span<const float>(std::vector{summed_loss_ ? static_cast<float>(size) : 1.0f}));
  if (!record_ || !RecordedWork::possible(*device)) return issue(size, loss_);
  if (!pool_) pool_ = device->new_pool();
  Recorded& recorded = recorded_.try_emplace({size, variant}, device, pool_).first->second;
  recorded.work.run([&] { issue(size, recorded.loss); });
  loss_ = recorded.loss;
}

void TrainStep::issue(std::int64_t size, Tensor& loss_value) {
  Device& device = *parameters_.device();
  const kernels::StepState* on_device = state_.device_pointer();
  auto* guard = static_cast<kernels::StepGuard*>(guard_.data());
  const Context context{
      .training = true, .gradients = true, .seed = seed_, .label_smoothing = label_smoothing_, .state = on_device};

  loss_value = {};
  parameters_.clear_gradients();
  const Batch batch = batches_.draw(size, on_device);
  const Variable logits = convert(network_.forward(context, batch.x), DType::f32);
  const Variable loss = network_.loss(context, logits, batch.y);
  metrics_.add(logits.value(), batch.y, loss.value());
  loss_value = loss.value();
  backward(loss, seeds_.at(size));
  device.run(&Backend::check_finite, parameters_.gradients(), guard);
  optimizer_.update(on_device, guard);
}

double TrainStep::batch_loss() const { return loss_ ? loss_.to_host<float>().at(0) : 0; }

kernels::StepGuard TrainStep::guard() const {
  kernels::StepGuard guard;
  guard_.on().download(&guard, guard_.data(), sizeof guard);
  return guard;
}

void TrainStep::set_guard(const kernels::StepGuard& guard) { guard_.on().upload(guard_.data(), &guard, sizeof guard); }

}  // namespace tessera

#include "engine/train/evaluate.h"

#include <algorithm>
#include <map>

#include "engine/core/recorded_work.h"
#include "engine/ops/elementwise.h"

namespace tessera {

Evaluation to_evaluation(const kernels::Metrics& m, LossAverage average) {
  if (m.samples == 0) return {};
  return {.loss = average == LossAverage::by_samples ? m.loss_sum / m.samples : m.batch_loss_sum / m.batches,
          .accuracy = m.correct / m.samples,
          .top5 = m.correct_top5 / m.samples,
          .samples = static_cast<std::int64_t>(m.samples)};
}

Evaluation evaluate(Network& network, const BatchSource& images, const EvaluateOptions& options) {
  const std::shared_ptr<Device> device = images.device();
  StepStateBuffer state(device);
  const Tensor sums = Tensor::zeros(device, {sizeof(kernels::Metrics)}, DType::u8);
  const Context context;
  const std::shared_ptr<MemoryPool> pool = device->new_pool();
  std::map<std::int64_t, RecordedWork> batches;  // by size
  Batch batch;
  Variable logits;
  for (std::int64_t position = 0; position < images.count(); position += options.batch_size) {
    if (options.stop && *options.stop) throw Interrupted("evaluation stopped");
    state.write({.position = position});
    const std::int64_t size = std::min(options.batch_size, images.count() - position);
    batches.try_emplace(size, device, pool).first->second.run([&] {
      batch = {}, logits = {};  // before anything is allocated: a batch finds its tensors where they were
      batch = images.draw(size, state.device_pointer());
      logits = convert(network.forward(context, batch.x), DType::f32);
      const Variable loss = network.loss(context, logits, batch.y);
      device->run(&Backend::classification_metrics, logits.value(), batch.y, loss.value(),
                  static_cast<kernels::Metrics*>(sums.data()));
    });
    if (options.on_batch) options.on_batch(logits.value(), batch.y);
  }
  kernels::Metrics metrics;
  device->download(&metrics, sums.data(), sizeof metrics);
  return to_evaluation(metrics, options.average);
}

}  // namespace tessera

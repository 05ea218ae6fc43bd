#include "engine/train/evaluate.h"

#include <algorithm>
#include <map>

#include "engine/core/recorded_work.h"
#include "engine/train/rank_results.h"

namespace tessera {

Evaluation to_evaluation(const kernels::Metrics& m, LossAverage average) {
  if (m.samples == 0) return {};
  return {.loss = average == LossAverage::by_samples ? m.loss_sum / m.samples : m.batch_loss_sum / m.batches,
          .accuracy = m.correct / m.samples,
          .top5 = m.correct_top5 / m.samples,
          .samples = static_cast<std::int64_t>(m.samples)};
}

void add_metrics(kernels::Metrics& to, const kernels::Metrics& more) {
  to.loss_sum += more.loss_sum;
  to.batch_loss_sum += more.batch_loss_sum;
  to.correct += more.correct;
  to.correct_top5 += more.correct_top5;
  to.samples += more.samples;
  to.batches += more.batches;
}

MetricSums::MetricSums(const std::shared_ptr<Device>& device)
    : sums_(Tensor::zeros(device, {sizeof(kernels::Metrics)}, DType::u8)) {}

void MetricSums::prepare(std::int64_t size) {
  auto& [logit, label] = wrong_[size];
  if (logit) return;
  logit = Tensor::zeros(sums_.device(), {size, 1}, DType::f32);
  label = Tensor::from(sums_.device(), {size},
                       std::span<const std::int32_t>(std::vector<std::int32_t>(static_cast<std::size_t>(size), 1)));
}

void MetricSums::add(const Tensor& logits, const Tensor& y, const Tensor& loss, double part) {
  auto* const sums = static_cast<kernels::Metrics*>(sums_.data());
  if (y.dtype() == DType::i32) return sums_.on().run(&Backend::classification_metrics, part, logits, y, loss, sums);
  const auto& [logit, label] = wrong_.at(y.shape()[0]);
  sums_.on().run(&Backend::classification_metrics, part, logit, label, loss, sums);
}

kernels::Metrics MetricSums::get() const {
  kernels::Metrics metrics;
  sums_.on().download(&metrics, sums_.data(), sizeof metrics);
  return metrics;
}

void MetricSums::set(const kernels::Metrics& metrics) { sums_.on().upload(sums_.data(), &metrics, sizeof metrics); }

namespace {

// Which batches of a pass over a source are this process's: every `stride`-th, from `first` on.
struct OwnBatches {
  std::int64_t first = 0, stride = 1;
};

// Runs the network over the source, a batch at a time: then(logits, labels, size, state) is recorded with it and may put
// other logits in their place, seen(logits, labels) is not.
template <class Then, class Seen>
void for_each_batch(Inference& network, const BatchSource& source, std::int64_t batch_size, const std::atomic<bool>* stop,
                    const OwnBatches& own, const Then& then, const Seen& seen) {
  const std::shared_ptr<Device> device = source.device();
  StepStateBuffer state(device);
  const std::shared_ptr<MemoryPool> pool = device->new_pool();
  std::map<std::int64_t, RecordedWork> batches;  // by size
  Batch batch;
  Variable logits;
  for (std::int64_t position = own.first * batch_size; position < source.count(); position += own.stride * batch_size) {
    if (stop && *stop) throw Interrupted("evaluation stopped");
    state.write({.position = position});
    const std::int64_t size = std::min(batch_size, source.count() - position);
    source.prepare(position, size);
    batches.try_emplace(size, device, pool).first->second.run([&] {
      batch = {}, logits = {};  // before anything is allocated: a batch finds its tensors where they were
      batch = source.draw(size, state.device_pointer());
      logits = network(batch.x);
      then(logits, batch.y, size, state.device_pointer());
    });
    seen(logits.value(), batch.y);
  }
}

// The weighted mean of the network's outputs over the views, `first` among them.
Tensor mean_over(const std::vector<SampleView>& views, const Tensor& first, Inference& network, std::int64_t size,
                 const kernels::StepState* state) {
  Tensor mean = first.like();
  double rest = 1;
  for (const SampleView& view : views) rest -= view.weight;
  const auto add = [&](double weight, const Tensor& logits, bool accumulate) {
    mean.on().run(&Backend::scale, weight, {}, logits, {mean, accumulate});
  };
  add(rest, first, false);
  for (const SampleView& view : views) add(view.weight, network(view.source->draw(size, state).x), true);
  return mean;
}

}  // namespace

Evaluation evaluate(Network& network, const BatchSource& source, const EvaluateOptions& options) {
  MetricSums sums(source.device()), one_view(source.device());
  for (MetricSums* each : {&sums, &one_view}) {
    each->prepare(std::min(options.batch_size, source.count()));
    if (const std::int64_t rest = source.count() % options.batch_size; rest > 0) each->prepare(rest);
  }
  Inference inference(network, options.quantization);
  const auto measure = [&](Variable& logits, const Tensor& y, std::int64_t size, const kernels::StepState* state) {
    if (!options.views.empty()) {
      one_view.add(logits.value(), y, network.loss({}, logits, y).value());
      logits = Variable(mean_over(options.views, logits.value(), inference, size, state));
    }
    sums.add(logits.value(), y, network.loss({}, logits, y).value());
  };
  if (options.ranks && options.ranks->size() > 1) {
    RankResults results(*options.ranks, source.device(), static_cast<bool>(options.on_batch));
    bool interrupted = false;
    try {
      for_each_batch(inference, source, options.batch_size, options.stop, {options.ranks->rank(), options.ranks->size()},
                     measure, [&](const Tensor& logits, const Tensor& y) { results.add(sums, one_view, logits, y); });
    } catch (const Interrupted&) {
      interrupted = true;
    }
    results.join(interrupted, sums, one_view, options.on_batch);
  } else {
    for_each_batch(inference, source, options.batch_size, options.stop, {}, measure,
                   [&](const Tensor& logits, const Tensor& y) {
                     if (options.on_batch) options.on_batch(logits, y);
                   });
  }
  Evaluation evaluation = to_evaluation(sums.get(), options.average);
  if (!options.views.empty()) evaluation.one_view = to_evaluation(one_view.get(), options.average).accuracy;
  return evaluation;
}

std::vector<float> predict(Inference& network, const BatchSource& source, std::int64_t batch_size,
                           const std::atomic<bool>* stop, const std::vector<SampleView>& views) {
  std::vector<float> outputs;
  for_each_batch(
      network, source, batch_size, stop, {},
      [&](Variable& logits, const Tensor&, std::int64_t size, const kernels::StepState* state) {
        if (!views.empty()) logits = Variable(mean_over(views, logits.value(), network, size, state));
      },
      [&](const Tensor& logits, const Tensor&) {
        const std::vector<float> values = logits.to_host<float>();
        outputs.insert(outputs.end(), values.begin(), values.end());
      });
  return outputs;
}

}  // namespace tessera

#include "engine/train/evaluate.h"

#include <algorithm>
#include <cstring>
#include <map>

#include "engine/core/recorded_work.h"

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

// What ranks did with their batches, put together in the order of the batches.
class RankResults {
 public:
  RankResults(Communicator& ranks, const std::shared_ptr<Device>& device, bool outputs)
      : ranks_(ranks), device_(device), outputs_(outputs) {}

  // Of a batch of one's own. Waits for the device.
  void add(MetricSums& sums, MetricSums& one_view, const Tensor& logits, const Tensor& y) {
    own_.push_back({sums.get(), one_view.get(), logits.shape()[0], logits.count() / logits.shape()[0]});
    sums.set({}), one_view.set({});
    if (!outputs_) return;
    const std::vector<float> z = logits.to_host<float>();
    const std::vector<std::int32_t> labels = y.to_host<std::int32_t>();
    logits_.insert(logits_.end(), z.begin(), z.end());
    labels_.insert(labels_.end(), labels.begin(), labels.end());
  }

  // All ranks'. Interrupted where one of them was: it comes here all the same.
  template <class OnBatch>
  void join(bool interrupted, MetricSums& sums, MetricSums& one_view, const OnBatch& on_batch) {
    if (any(ranks_, interrupted)) throw Interrupted("evaluation stopped");
    const std::vector<std::string> done = all_gather(ranks_, text_of(own_)), outputs = all_gather(ranks_, text_of(logits_)),
                                   answers = all_gather(ranks_, text_of(labels_));
    kernels::Metrics total, total_one_view;
    std::vector<std::size_t> logits_at(done.size()), labels_at(done.size());
    for (std::size_t batch = 0;; ++batch) {
      const std::size_t r = batch % done.size(), i = batch / done.size();
      if ((i + 1) * sizeof(Done) > done[r].size()) break;
      Done d;
      std::memcpy(&d, done[r].data() + i * sizeof d, sizeof d);
      add_metrics(total, d.sums), add_metrics(total_one_view, d.one_view);
      if (!outputs_) continue;
      on_batch(take<float>(outputs[r], logits_at[r], {d.rows, d.columns}),
               take<std::int32_t>(answers[r], labels_at[r], {d.rows}));
    }
    sums.set(total), one_view.set(total_one_view);
  }

 private:
  struct Done {
    kernels::Metrics sums, one_view;
    std::int64_t rows, columns;
  };
  template <class T>
  static std::string text_of(const std::vector<T>& values) {
    return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
  }
  template <class T>
  Tensor take(const std::string& all, std::size_t& at, const Shape& shape) const {
    std::vector<T> values(static_cast<std::size_t>(shape.count()));
    std::memcpy(values.data(), all.data() + at, values.size() * sizeof(T));
    at += values.size() * sizeof(T);
    return Tensor::from(device_, shape, values);
  }

  Communicator& ranks_;
  std::shared_ptr<Device> device_;
  bool outputs_;
  std::vector<Done> own_;
  std::vector<float> logits_;
  std::vector<std::int32_t> labels_;
};

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

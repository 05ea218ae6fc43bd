// Evaluation: loss and accuracy of a network over samples, in evaluation mode; or its outputs alone.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <optional>

#include "engine/nn/inference.h"
#include "engine/parallel/communicator.h"
#include "engine/train/batches.h"

namespace tessera {

struct Evaluation {
  double loss = 0;      // the network's, regulariser included
  double accuracy = 0;  // top-1
  double top5 = 0;
  std::int64_t samples = 0;
  std::optional<double> one_view = {};  // where several were averaged: accuracy with the first alone
};

// Another look at the samples of an evaluation: a source that draws the same ones, in the same order.
struct SampleView {
  const BatchSource* source;
  double weight;
};

struct EvaluateOptions {
  std::int64_t batch_size = 32;
  LossAverage average = LossAverage::by_samples;
  const std::atomic<bool>* stop = nullptr;                                        // polled every batch: Interrupted
  std::function<void(const Tensor& logits, const Tensor& labels)> on_batch = {};  // sees each batch; may be empty
  // The outputs are the weighted mean over the source and these; it has the weight that they leave of 1.
  std::vector<SampleView> views = {};
  // More than one: batch i is rank i mod N's; every rank sees all of them in on_batch and in the result, whose sums are added
  // in the order of the batches, as one process does. All must have an on_batch or none.
  Communicator* ranks = nullptr;
  Quantization quantization = {};  // products that are computed in eight bits (nn/inference.h)
};

// Samples in the order of the source. Where one rank is stopped, all are.
Evaluation evaluate(Network& network, const BatchSource& source, const EvaluateOptions& options);

// The network's outputs for each sample, one sample after another (with `views`, as in EvaluateOptions, their means); what
// the source says of labels or targets is not looked at. `stop` is polled every batch: Interrupted. Whoever asks again keeps
// the Inference: what it has prepared serves again.
std::vector<float> predict(Inference& network, const BatchSource& source, std::int64_t batch_size = 32,
                           const std::atomic<bool>* stop = nullptr, const std::vector<SampleView>& views = {});
inline std::vector<float> predict(Network& network, const BatchSource& source, std::int64_t batch_size = 32,
                                  const std::atomic<bool>* stop = nullptr, const std::vector<SampleView>& views = {}) {
  Inference once(network);
  return predict(once, source, batch_size, stop, views);
}

// Losses and right answers of many batches, summed up in device memory.
class MetricSums {
 public:
  explicit MetricSums(const std::shared_ptr<Device>& device);
  // To be called before work that adds batches of `size` begins: it may be recorded, and then must find its memory as it was.
  void prepare(std::int64_t size);
  // Of a batch. logits [n,k] with labels y [n] int32; of other outputs and float targets the loss [1] alone counts, and no
  // sample is right.
  // `part`: which share of its batch this is.
  void add(const Tensor& logits, const Tensor& y, const Tensor& loss, double part = 1);
  kernels::Metrics get() const;  // waits for the device
  void set(const kernels::Metrics& metrics);

 private:
  Tensor sums_;
  std::map<std::int64_t, std::pair<Tensor, Tensor>> wrong_;  // by batch size: a logit and a label that it misses
};

// to += more, one field after another.
void add_metrics(kernels::Metrics& to, const kernels::Metrics& more);

// From the device's sums.
Evaluation to_evaluation(const kernels::Metrics& metrics, LossAverage average);

}  // namespace tessera

// Evaluation: loss and accuracy of a network over a set of images, in evaluation mode.
#pragma once

#include <atomic>
#include <functional>

#include "engine/nn/network.h"
#include "engine/train/batches.h"

namespace tessera {

struct Evaluation {
  double loss = 0;      // the network's, regulariser included
  double accuracy = 0;  // top-1
  double top5 = 0;
  std::int64_t samples = 0;
};

struct EvaluateOptions {
  std::int64_t batch_size = 32;
  LossAverage average = LossAverage::by_samples;
  const std::atomic<bool>* stop = nullptr;                                        // polled every batch: Interrupted
  std::function<void(const Tensor& logits, const Tensor& labels)> on_batch = {};  // sees each batch; may be empty
};

// Images in file order.
Evaluation evaluate(Network& network, const BatchSource& images, const EvaluateOptions& options);

// From the device's sums.
Evaluation to_evaluation(const kernels::Metrics& metrics, LossAverage average);

}  // namespace tessera

// A network with everything that a step of it needs, on random images that are on the device already.
#pragma once

#include "engine/core/recorded_work.h"
#include "engine/nn/inference.h"
#include "engine/train/train_step.h"
#include "models/catalogue.h"

namespace tessera::bench {

struct WorkloadOptions {
  std::int64_t batch = 32;
  bool train = true;   // else inference
  bool int8 = false;   // with inference: products in eight bits, activations as these images have them
  bool record = true;  // on devices that can, steps are replayed from the third on, and inference is prepared
};

class Workload {
 public:
  Workload(const NetworkEntry& entry, const std::shared_ptr<Device>& device, const WorkloadOptions& options);

  void issue();  // one step; does not wait for the device
  void finish() { device_->synchronize(); }

  double seconds(int steps);  // of one step, of so many in a row
  double host_seconds();      // that the host needs to issue one step to an idle device: the median
  const Device& device() const { return *device_; }

 private:
  WorkloadOptions options_;
  std::shared_ptr<Device> device_;
  std::unique_ptr<Network> network_;
  ParameterStore parameters_;
  std::unique_ptr<Optimizer> optimizer_;
  ImageBatches images_;
  TrainStep step_;
  RecordedWork inference_;
  Inference prepared_;
  StepStateBuffer state_;
  Batch batch_;
  Tensor logits_;
  double learning_rate_;
  std::int64_t steps_ = 0;
};

}  // namespace tessera::bench

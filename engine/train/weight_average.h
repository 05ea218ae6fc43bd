// The moving average of a network's weights: after each step average ← keep·average + (1 − keep)·weights, beginning with the
// weights after the first step; running statistics likewise (torch.optim.swa_utils.AveragedModel with get_ema_multi_avg_fn
// and use_buffers = True). A step that changes nothing leaves it.
#pragma once

#include "engine/nn/parameter_store.h"

namespace tessera {

class WeightAverage {
 public:
  // Begins as what the network has now.
  WeightAverage(ParameterStore& parameters, double keep);

  // A part of the step: may be recorded. `state` and `guard` are device memory.
  void update(const kernels::StepState* state, const kernels::StepGuard* guard) const;

  // The network has the averages, and this its weights, for the time of a scope.
  class InUse {
   public:
    explicit InUse(const WeightAverage& average) : average_(average) { average_.swap(); }
    ~InUse() {
      try {
        average_.swap();
      } catch (const kernels::DeviceError&) {  // a lost device: said where it was noticed
      }
    }
    InUse(const InUse&) = delete;
    InUse& operator=(const InUse&) = delete;

   private:
    const WeightAverage& average_;
  };

 private:
  void swap() const;

  ParameterStore& parameters_;
  double keep_;
  Tensor values_, buffers_;  // parallel to the store's
};

}  // namespace tessera

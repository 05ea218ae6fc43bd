// Context: what a forward pass is told. Passed down explicitly; nothing is global.
#pragma once

#include <cstdint>
#include <string>

#include "engine/autograd/variable.h"

namespace tessera {

class Module;
class BatchShares;

// Sees each layer of a forward pass as it is done (the model table, debugging).
class LayerObserver {
 public:
  virtual ~LayerObserver() = default;
  // flops: of the forward pass, a multiply-add counted as two.
  virtual void on_layer(const Module& layer, const char* kind, const Variable& output, double flops) = 0;
};

struct Context {
  bool training = false;                       // batch statistics and dropout; else running statistics and identity
  bool gradients = false;                      // record the graph
  std::uint64_t seed = 0;                      // of dropout
  double label_smoothing = 0;                  // of the loss
  Tensor class_weights = {};                   // [classes] float32: what a sample of each counts in the loss; none: 1
  Tensor other_labels = {}, label_share = {};  // [N] int32, float32: of mixed images, the second label; the first's share
  const kernels::StepState* state = nullptr;   // device memory; needed by dropout in training
  LayerObserver* observer = nullptr;
  const BatchShares* shares = nullptr;  // of a batch whose statistics are those of several processes (shared_batch_norm.h)

  void done(const Module& layer, const char* kind, const Variable& output, double flops = 0) const {
    if (observer) observer->on_layer(layer, kind, output, flops);
  }
};

}  // namespace tessera

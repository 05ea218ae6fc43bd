// Inference: a network in use, whose parameters do not change.
//
//   Inference infer(network);
//   const Tensor logits = infer(x);
//
// For each shape of a batch the forward pass is prepared once, where the device's backend can (the CPU; kernels/prepared.h):
// filters are transformed and packed, batch norms folded, memory is laid out; from then on a batch is a list of kernels
// (core/call_list.h). With a quantization, the products that it names are computed in eight bits. On other devices, and for networks whose pass is more than its kernels, it is the forward pass itself.
#pragma once

#include <list>
#include <optional>

#include "engine/core/call_list.h"
#include "engine/nn/network.h"
#include "engine/nn/quantization.h"

namespace tessera {

class Inference {
 public:
  // The network's parameters and running statistics must stay as they are, and where they are, until this ends. The first
  // call of a quantized one throws DeviceError where the device computes no int8, Error where the network has no such weights,
  // or does with them what has no form in eight bits, NonFiniteError where a scale or shift of theirs is NaN or infinite.
  explicit Inference(Network& network, Quantization quantization = {})
      : network_(network), quantization_(std::move(quantization)) {}

  // x: [N,…] of the device's activation type → the network's outputs in float32, for the caller until the next call.
  Tensor operator()(const Tensor& x);

 private:
  struct Prepared {
    Tensor x, outputs;
    std::optional<CallList> calls;  // none: the pass cannot be prepared
  };
  // Shapes that are remembered: a full batch and a last one, and a few for whoever asks for numbers of images that change.
  static constexpr std::size_t most_shapes = 4;

  Tensor forward(const Tensor& x);
  Prepared& prepared_for(const Tensor& x);

  Network& network_;
  Quantization quantization_;
  kernels::KeptWeights weights_;
  std::list<Prepared> prepared_;  // the last used first
};

}  // namespace tessera

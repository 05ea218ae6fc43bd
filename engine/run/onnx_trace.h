// A network as an ONNX graph, found by watching one forward pass of inference.
//
// The pass runs on the `cpu` backend behind a table of slots that also note what they compute. What does not depend on the
// images is computed already and becomes a constant: a batch norm behind a convolution is folded into its filters. Maps are
// N,C,H,W in the graph. So any network whose ops are known here can be exported, the catalogue's and a user's own alike.
#pragma once

#include <memory>

#include "engine/data/normalization.h"
#include "engine/files/onnx.h"
#include "engine/nn/network.h"
#include "engine/nn/parameter_store.h"

namespace tessera {

// The device whose kernels can be watched; parameters of a network to be exported must live there.
std::shared_ptr<Device> open_onnx_device();

// Input "images": float32 [N,C,H,W], already normalised; output "logits": float32 [N,outputs]. With `preprocessing`, the input
// is uint8 [N,H,W,C] and the graph normalises it: (u8/255 − mean)/std.
// UsageError where the network computes something that has no translation yet: which slot.
OnnxModel onnx_model(Network& network, const ParameterStore& parameters, const Normalization* preprocessing = nullptr);

}  // namespace tessera

// Weights files whose weights are whole numbers of eight bits, for inference: what `export --int8` writes.
//
// A safetensors file as of float32 weights, its metadata with "quantization": "int8", but for each weight W of a product that is
// computed in eight bits (kernels/prepared.h)
//   W         I8, −63 … 63, in W's shape in files (O,I,H,W; out,in)
//   W.scale   F32 [O], above 0: the weights are scale[o]·W[o]
//   W.input   F32 [2]: scale, above 0, and zero point, 0 … 127, of the activations that meet it
#pragma once

#include "engine/files/tensor_file.h"
#include "engine/nn/module.h"
#include "engine/nn/parameter_store.h"
#include "engine/nn/quantization.h"
#include "engine/run/config.h"

namespace tessera {

bool is_int8(const TensorFile& file);

// WeightsError where weights are not finite.
Bytes encode_int8(const ParameterStore& parameters, const Quantization& quantization, Metadata metadata);

// The same weights as floats, and how they are to be met. WeightsError where the file is not of that form.
TensorFile floats_of_int8(const TensorFile& file, Quantization& quantization);

// WeightsError where one of them is no weight of the network, or of a product that has no form in eight bits (in groups, or
// with sums too long). The file's shapes must be the network's (run/weights.h, require_weights_of).
void require_int8_of(Module& network, const TensorFile& file, const Quantization& quantization);

// Such weights run on the CPU in float32: `auto` means that. DeviceError where the configuration asks for another device,
// UsageError for another precision.
void require_int8_device(RunConfig& config);

}  // namespace tessera

// Calibration: how the weights of a trained network become whole numbers of eight bits, and its activations with them.
#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "engine/nn/network.h"
#include "engine/nn/quantization.h"
#include "engine/train/batches.h"

namespace tessera {

struct CalibrationOptions {
  std::int64_t batch_size = 64;
  // Of a tensor's values so many percent lie within the range that seven bits resolve; what is beyond is clamped. 100: all.
  double percentile = 99.99;
  const std::atomic<bool>* stop = nullptr;  // polled every batch: Interrupted
};

struct Calibration {
  Quantization quantization;
  std::vector<std::string> floats = {};  // paths of the weights that products meet and that stay float32, with the reason
};

// Runs the samples through the network twice, on a CPU, and looks at what meets the weights of convolutions and dense layers:
// first at the range of each of these activations, then at a histogram over it.
//
//   weights      symmetric, per output channel: scale[k] = max |w[k]| / 63 (1 where all are zero, or next to it)
//   activations  per tensor: scale = (high − low)/127, zero_point = round(−low/scale); low ≤ 0 ≤ high, so that zero, which
//                padding and ReLU make, is exact
//
// Source: Wu et al. 2020, "Integer Quantization for Deep Learning Inference" (arXiv 2004.09602), sections 3 and 5: maxima for
// weights, percentiles of 99.9 to 99.9999 for activations. Left in float32: grouped convolutions, and sums too long for 32
// bits (kernels/prepared.h). NonFiniteError where an activation is NaN or infinite.
Calibration calibrate(Network& network, const BatchSource& samples, const CalibrationOptions& options = {});

}  // namespace tessera

// How much memory a training or an inference takes, found out without taking it.
//
// A step and an evaluation are run on a device that has neither memory nor kernels: what they ask for, in which order and
// sizes, is what real ones ask for, so the memory pool's peak is exact, and so is what an evaluation on a CPU prepares
// (nn/inference.h). What kernels borrow besides (Workspace) is measured on the real backend, call by call, at a small batch; of
// a larger one, the calls that borrowed are begun and end where they ask for it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>

#include "engine/nn/network.h"
#include "engine/train/recipe.h"

namespace tessera {

struct MemoryQuestion {
  std::function<std::unique_ptr<Network>()> make;
  Recipe recipe = {};            // of which optimiser, parts, average, precision and batch size count
  std::int64_t images = 0;       // for training, on the device, with as many labels; their last batch may be a smaller one.
                                 // 0: one batch of them
  std::int64_t test_images = 0;  // what evaluations look at, on the device; 0: the training images
  bool training = true;          // steps, and evaluations by batches of the same size; else evaluations alone
  const Backend* backend = nullptr;
  kernels::Options options = {};
};

// Bytes on the device, rounded as its memory pool rounds them.
struct MemoryEstimate {
  std::size_t network = 0;    // parameters, their gradients, running statistics
  std::size_t optimizer = 0;  // what it remembers; the weights' moving average
  std::size_t images = 0;
  std::size_t step = 0;        // activations, their gradients and all else that lives within a step, at their peak
  std::size_t workspace = 0;   // of kernels; 0 of a GPU's, which are not measured
  std::size_t evaluation = 0;  // what it prepares besides: weights in other forms, memory for a pass. Given back at its end
  // Where the device's memory is the host's, a program takes besides:
  std::size_t data = 0;    // its own copy of the images; in inference, the file of weights too
  std::size_t saving = 0;  // a checkpoint while it is written, between evaluations
  std::size_t total() const { return network + optimizer + images + step + workspace + data + std::max(evaluation, saving); }
};

MemoryEstimate estimate_memory(const MemoryQuestion& question);

// The largest batch whose estimate is within so many bytes; 0 where not even one image's is. At most 2^20.
std::int64_t largest_batch(MemoryQuestion question, std::size_t bytes);

}  // namespace tessera

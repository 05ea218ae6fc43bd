// Transfer learning: a trained network gets a new head, which is trained alone first, and then everything is.
//
//   phase 1  all but the head frozen: parameters do not move, batch norm runs in inference mode and keeps its running
//   statistics phase 2  all parameters train, with a fresh optimiser
//
// The history goes on from one phase to the next: epochs and steps are counted through.
#pragma once

#include "engine/run/run.h"

namespace tessera {

struct FinetuneRequest {
  RunConfig config;  // of phase 2 and of both; recipe.epochs are its own, recipe.classes the labels in the order of the head
  std::int64_t frozen_epochs = 5;  // phase 1; 0: none
  double frozen_learning_rate = 0.01;
  std::filesystem::path folder;
  const std::atomic<bool>* stop = nullptr;
};

// `network` is built with the head that config.network_options.outputs asks for; `pretrained` is of the same network with
// any head. Writes a run folder like run_training's, without checkpoints: it cannot be resumed. Errors are those of
// run_training.
RunResult run_finetuning(const FinetuneRequest& request, Network& network, const Safetensors& pretrained, Dataset&& dataset,
                         const std::shared_ptr<Device>& device, const Console& console);

// The parameters of the network's head. Error where it has none.
std::vector<Parameter*> head_of(Network& network, const ParameterStore& parameters);

// The new head's values: Keras' defaults, Glorot-uniform weights and zero biases.
void initialize_head(std::span<Parameter* const> head, std::uint64_t seed);

}  // namespace tessera

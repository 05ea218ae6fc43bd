// The ranks of a run as a program sees them (parallel/communicator.h): what each takes of its host, what all must have in
// common, and what rank 0 reads for the others. All functions are called by all ranks together.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/files/checkpoint.h"
#include "engine/nn/parameter_store.h"
#include "engine/parallel/communicator.h"
#include "engine/run/config.h"

namespace tessera {

// A rank's place among those of its host.
struct Seat {
  std::string host = {};
  int threads = 0;                   // its share of the processors; 0: as many as the process may use
  int gpu_index = 0, gpu_ranks = 1;  // among the ranks that see the same GPUs
};
Seat take_seat(Communicator& ranks);

// The GPU of a seat: "cuda:1". DeviceError where there are fewer of them than ranks that see them.
std::string gpu_of(const Seat& seat, int gpus);

// The configuration with the device and the threads of this seat. DeviceError: too few GPUs; one GPU named for several ranks.
RunConfig seated(RunConfig config, const Seat& seat);

// Which ranks differ from rank 0: UsageError where the program or an option does, DeviceError where the device's kind or
// instruction set does. Paths may differ.
void require_alike(Communicator& ranks, const RunConfig& config, Device& device);
// DataError where `digest` differs, of what `what` names.
void require_same_images(Communicator& ranks, const std::string& what, const std::string& digest);

// Rank 0's, on every rank. The weights: parameters and buffers.
void broadcast_weights(Communicator& ranks, ParameterStore& parameters);
void broadcast(Communicator& ranks, std::optional<Checkpoint>& checkpoint);
void broadcast(Communicator& ranks, std::vector<std::string>& texts);

}  // namespace tessera

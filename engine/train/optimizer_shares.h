// The optimiser's memory, shared out over ranks: each rank keeps what is remembered of its share of the parameters, receives
// the sum of their gradients alone, updates them, and all hand their new values round. The update being the same element by
// element, so are its bits. (ZeRO, stage 1: Rajbhandari, Rasley, Ruwase, He 2020, "ZeRO: memory optimizations toward training
// trillion parameter models", section 5.1.)
//
// A share is whole parameters side by side, since Muon moves matrices; it ends where that is nearest to an even cut. As many
// bytes travel as without: (N−1)/N·G of gradients to their owners and as much of parameters from them.
#pragma once

#include <map>
#include <string>

#include "engine/optim/optimizer.h"
#include "engine/parallel/communicator.h"

namespace tessera {

class OptimizerShares {
 public:
  OptimizerShares(Communicator& ranks, ParameterStore& parameters);

  ParameterStore& own() { return own_; }
  // Elements of the flat buffers at which the ranks' shares begin, and where the last one ends.
  const std::vector<std::int64_t>& begins() const { return begins_; }

  // Of gradients in each rank's own share: does any hold NaN or infinity? Counts it in the guard, the same in all ranks.
  void check_finite(const Tensor& guard);
  // Every rank's share of the parameters, on every rank.
  void gather_values();
  // What all remember, put together on rank 0, flat as the store's values; elsewhere this rank's.
  std::map<std::string, Tensor> gather_memory(const Optimizer& optimizer) const;

 private:
  // The slices of a flat tensor of the store's size, of which `own` is this rank's: on all ranks, or on rank 0 alone.
  std::vector<float> gathered(const Tensor& own, bool everywhere) const;

  Communicator& ranks_;
  ParameterStore& parameters_;
  std::vector<std::size_t> first_;  // parameters, and the end
  std::vector<std::int64_t> begins_;
  ParameterStore own_;
};

}  // namespace tessera

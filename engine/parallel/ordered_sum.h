// OrderedSum: float32 values that ranks hold, added element by element in one order, whatever the network does.
//
//   sum = ((v₀ + v₁) + v₂) + …     over rounds, and in each over ranks 0 … N−1: as one process adds one after another
//
// Each rank owns a slice, 1/N of the elements: in a round it receives that slice of everybody's values and adds them in
// order; in the end everybody receives everybody's slices. Of G bytes a rank sends (N−1)/N·G a round and (N−1)/N·G in the
// end, as little as any all-reduce, and keeps G bytes to receive into.
// (Reduce-scatter and all-gather: Thakur, Rabenseifner, Gropp 2005, "Optimization of collective communication operations in
// MPICH", section 4.5; here by direct exchange, whose order of sums is ours.)
#pragma once

#include "engine/parallel/communicator.h"

namespace tessera {

class OrderedSum {
 public:
  OrderedSum(Communicator& ranks, std::size_t count);

  // A round: this rank's values. counts[r]: rank r's are added; the others' are not even sent.
  void add(std::span<const float> values, const std::vector<bool>& counts);
  // What was added since the last finish(), on every rank. Nothing at all: 0.
  void finish(std::span<float> values);

 private:
  std::size_t begin_of(int rank) const;
  std::size_t length_of(int rank) const { return begin_of(rank + 1) - begin_of(rank); }

  Communicator& ranks_;
  std::size_t count_;
  std::vector<float> sum_;       // of the own slice
  std::vector<float> received_;  // the own slice of every rank
  bool begun_ = false;
};

}  // namespace tessera

// OrderedSum: float32 values that ranks hold, added element by element in one order, whatever the network does.
//
//   sum = ((v₀ + v₁) + v₂) + …     over rounds, and in each over ranks 0 … N−1: as one process adds one after another
//
// Each rank owns a slice, 1/N of the elements unless told otherwise: in a round it receives that slice of everybody's values and adds them in
// order; in the end everybody receives everybody's slices. Of G bytes a rank sends (N−1)/N·G a round and (N−1)/N·G in the
// end, as little as any all-reduce, and keeps G bytes to receive into.
// (Reduce-scatter and all-gather: Thakur, Rabenseifner, Gropp 2005, "Optimization of collective communication operations in
// MPICH", section 4.5; here by direct exchange, whose order of sums is ours.)
//
// On a bf16 wire half the bytes are sent: each vᵢ is rounded to bf16 before it is added (also by the rank that owns it), sums
// are float32, and the sum is rounded to bf16 in the end. So the result does not depend on who owns what either.
#pragma once

#include "engine/parallel/communicator.h"
#include "kernels/bf16.h"

namespace tessera {

class OrderedSum {
 public:
  OrderedSum(Communicator& ranks, std::size_t count, bool bf16_wire = false);
  // begins[r]: the first element of rank r's slice; the last of them is the number of elements.
  OrderedSum(Communicator& ranks, std::vector<std::size_t> begins, bool bf16_wire = false);

  // A round: this rank's values. counts[r]: rank r's are added; the others' are not even sent.
  void add(std::span<const float> values, const std::vector<bool>& counts);
  // What was added since the last finish(), on every rank. Nothing at all: 0.
  void finish(std::span<float> values);
  // The same, but of this rank's slice alone: what the others own is left as it is. Nothing is sent.
  void finish_own(std::span<float> values);

 private:
  std::size_t begin_of(int rank) const { return begins_[static_cast<std::size_t>(rank)]; }
  std::size_t length_of(int rank) const { return begin_of(rank + 1) - begin_of(rank); }
  // Both ways of a wire of that type: `whole` is what this rank has of all elements, `received` has room for its slice of all.
  template <class T>
  void add_from(std::span<const T> whole, std::span<T> received, const std::vector<bool>& counts);
  template <class T>
  void spread(std::span<const T> own, std::span<T> whole);

  Communicator& ranks_;
  std::vector<std::size_t> begins_;
  bool bf16_wire_;
  std::vector<float> sum_;                                      // of the own slice
  std::vector<float> received_;                                 // the own slice of every rank
  std::vector<kernels::bf16> packed_, packed_in_, packed_sum_;  // on a bf16 wire: all values, what was received, the slice
  bool begun_ = false;
};

}  // namespace tessera

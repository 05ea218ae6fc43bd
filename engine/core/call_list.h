// CallList: the kernels of a piece of work, noted while it runs, to be called again without the work's own code.
//
// What depends on constants alone (a batch norm's fold) is computed while it is noted and kept; products with constant
// weights are prepared (kernels/prepared.h): packed and transformed once. What is left is a list of calls on fixed addresses,
// so that running it allocates nothing.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "engine/core/tensor.h"
#include "kernels/prepared.h"

namespace tessera {

// Weights whose products are computed in eight bits, by where they lie (kernels/prepared.h).
using Int8Products = std::map<const void*, kernels::Int8Product>;

class CallList {
 public:
  // Can this device's backend prepare anything? Else there is no use for a list.
  static bool useful(const Device& device);

  // Does `work` and notes its calls without doing those that depend on `input`: their results hold nothing yet. `constants`
  // stay as they are for as long as the list lives, and so does `weights`. What `work` allocates comes from a pool of the
  // list's own; its results are the caller's to hold, so that their memory serves nothing else.
  //
  // None where the work is more than its calls: where it copies from or to the host or reads memory that no call of it has
  // written, so that a list would not repeat it. Error where weights of `int8` are used for anything but products that can be
  // computed in eight bits, or not at all; NonFiniteError where such a product's scale or shift is NaN or infinite.
  static std::optional<CallList> note(const std::shared_ptr<Device>& device, kernels::KeptWeights& weights,
                                      std::span<const Tensor> constants, const Tensor& input,
                                      const std::function<void()>& work, const Int8Products& int8 = {});

  // Does the calls, all of them or until one throws.
  void run() const;
  std::size_t size() const { return calls_.size(); }

 private:
  explicit CallList(const std::shared_ptr<Device>& device) : device_(device), pool_(device->new_pool()) {}

  std::shared_ptr<Device> device_;
  std::shared_ptr<MemoryPool> pool_;
  std::vector<Tensor> kept_;  // what was computed of constants
  std::vector<kernels::PreparedCall> calls_;
};

}  // namespace tessera

// ParameterStore: the parameters and buffers of a network, gathered into flat device buffers.
//
// One flat vector of values, one of gradients (and, in the optimisers, one per moment), each parameter a slice of it
// aligned to 64 elements: so an optimiser step is one kernel over one range, and gradients are written where it reads them.
// On a device that computes in bf16 there is a copy of the values in bf16 beside them, which optimisers keep up to date.
#pragma once

#include <vector>

#include "engine/core/step_state.h"
#include "engine/nn/module.h"

namespace tessera {

class ParameterStore {
 public:
  // Lays out and initialises all that `network` owns. Initial values depend on the seed and each parameter's name alone.
  ParameterStore(Module& network, const std::shared_ptr<Device>& device, std::uint64_t seed, DType dtype = DType::f32);
  // Parameters first … end − 1 of another store, which must outlive this one, in the same memory: an optimiser of these moves
  // them alone, and remembers of them alone. Without buffers.
  ParameterStore(const ParameterStore& whole, std::size_t first, std::size_t end);
  bool is_part() const { return part_; }

  const std::vector<Parameter*>& parameters() const { return parameters_; }  // in visiting order
  const std::vector<Buffer*>& buffers() const { return buffers_; }
  const Tensor& values() const { return values_; }
  const Tensor& gradients() const { return gradients_; }
  const Tensor& rounded() const { return rounded_; }              // the values in bf16; none on devices of other precisions
  const Tensor& buffer_values() const { return buffer_values_; }  // those of all buffers, flat
  // To be called after the values were changed by anything but an optimiser.
  void values_changed();
  std::int64_t offset(std::size_t parameter) const { return offsets_[parameter]; }

  std::int64_t trainable_count() const;      // elements of parameters that train
  std::int64_t non_trainable_count() const;  // elements of the others and of buffers

  // `chosen`: of these alone, by parameters()' order; empty: of all.
  void clear_gradients(const std::vector<bool>& chosen = {});
  // The ranges of the flat buffers whose parameters received a gradient since the last clear, neighbours joined. Those
  // without one (unused or frozen) must not be touched by an optimiser.
  struct Range {
    std::int64_t first, count;
  };
  std::vector<Range> ranges_with_gradient(const std::vector<bool>& chosen = {}) const;

  const std::shared_ptr<Device>& device() const { return device_; }

  // The step that a loop of one's own is at (nn/model.h, Optimizer::step), in device memory: dropout draws by it.
  const kernels::StepState* step_state() const { return step_state_.device_pointer(); }
  void set_step_state(const kernels::StepState& state) { step_state_.write(state); }

 private:
  std::shared_ptr<Device> device_;
  std::vector<Parameter*> parameters_;
  std::vector<Buffer*> buffers_;
  std::vector<std::int64_t> offsets_;  // of parameters, plus the end
  Tensor values_, gradients_, rounded_, buffer_values_;
  StepStateBuffer step_state_;
  bool part_ = false;
};

}  // namespace tessera

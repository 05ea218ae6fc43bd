// Model: a network with its parameters on a device, for a training loop of one's own.
//
//   Model<Net> net(Device::open(), {.seed = 1});
//   AdamW adam(net, {.learning_rate = 1e-2});
//   …
//   const Variable loss = mean(square(net(x) - y));
//   backward(loss);
//   adam.step();
#pragma once

#include <utility>

#include "engine/nn/network.h"
#include "engine/nn/parameter_store.h"
#include "engine/ops/elementwise.h"

namespace tessera {

struct ModelOptions {
  std::uint64_t seed = 1;  // of initial values and of dropout
};

template <class Net>
class Model {
 public:
  // `arguments` are the network's constructor's.
  template <class... Arguments>
  explicit Model(const std::shared_ptr<Device>& device, const ModelOptions& options = {}, Arguments&&... arguments)
      : seed_(options.seed), network_(std::forward<Arguments>(arguments)...), parameters_(network_, device, options.seed) {}
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;

  // A pass of training: gradients are recorded, batch norm uses the batch, dropout drops. float32 in and out, on a device of
  // any precision.
  Variable operator()(const Variable& x) {
    return run({.training = true, .gradients = true, .seed = seed_, .state = parameters_.step_state()}, x);
  }
  // A pass of use: running statistics, no dropout, no gradients.
  Tensor evaluate(const Tensor& x) { return run({}, x).value(); }

  // Values of the caller's, on the model's device. ShapeError where their number is not the shape's.
  template <class T>
  Tensor tensor(const Shape& shape, const std::vector<T>& values) const {
    return Tensor::from(device(), shape, values);
  }

  Net& network() { return network_; }
  ParameterStore& parameters() { return parameters_; }
  operator ParameterStore&() { return parameters_; }  // so that an optimiser takes the model
  const std::shared_ptr<Device>& device() const { return parameters_.device(); }

 private:
  Variable run(const Context& context, const Variable& x) {
    return convert(network_.forward(context, convert(x, device()->activation_type())), DType::f32);
  }

  std::uint64_t seed_;
  Net network_;
  ParameterStore parameters_;
};

}  // namespace tessera

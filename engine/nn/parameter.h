// Parameter and Buffer: what a layer owns. A parameter is trained; a buffer (running statistics) is only kept.
//
// They are declared with a shape and an initial rule; memory comes when a ParameterStore gathers those of a whole network
// into flat buffers (nn/parameter_store.h).
#pragma once

#include <string>

#include "engine/autograd/variable.h"
#include "engine/nn/context.h"
#include "engine/nn/init.h"

namespace tessera {

class Parameter {
 public:
  Parameter() = default;  // not there (a layer without bias)
  Parameter(Shape shape, Init init, Fan fan) : shape_(shape), init_(init), fan_(fan), present_(true) {}

  explicit operator bool() const { return present_; }
  const std::string& path() const { return path_; }
  const Shape& shape() const { return shape_; }  // in memory: filters K,R,S,C
  std::int64_t count() const { return shape_.count(); }
  bool trainable() const { return trainable_; }
  void set_trainable(bool trainable) { trainable_ = trainable && !fixed_; }
  // A parameter that rests receives no gradient for the time being; it counts as trainable all the same.
  void set_resting(bool resting) { resting_ = resting; }
  void fix() { fixed_ = true, trainable_ = false; }  // it never trains, whatever is set later

  const Tensor& value() const { return value_; }
  const GradNodePtr& node() const { return node_; }
  // The parameter as an operand: with its gradient node where the pass records and the parameter trains.
  Variable in(const Context& context) const;

 private:
  friend class ParameterStore;
  std::string path_;
  Shape shape_;
  Init init_ = Init::zeros;
  Fan fan_;
  bool present_ = false;
  bool trainable_ = true, fixed_ = false, resting_ = false;
  Tensor value_, rounded_;  // rounded: the same in bf16, on devices that compute in it
  GradNodePtr node_;
};

class Buffer {
 public:
  Buffer(Shape shape, float initial) : shape_(shape), initial_(initial) {}

  const std::string& path() const { return path_; }
  const Shape& shape() const { return shape_; }
  std::int64_t count() const { return shape_.count(); }
  const Tensor& value() const { return value_; }

 private:
  friend class ParameterStore;
  std::string path_;
  Shape shape_;
  float initial_;
  Tensor value_;
};

}  // namespace tessera

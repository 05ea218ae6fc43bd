// Reverse-mode automatic differentiation.
//
// A Variable is a value and, where its gradient is wanted, a GradNode: the place in the graph where that gradient will
// be gathered. Each op records one node with record(); its gradient function stands right under its forward and captures
// only what it needs: tensors, and the nodes of its inputs. It never captures its own output's node, so the graph has no
// cycle, and a value that no gradient needs is freed as soon as its Variable is.
//
//   Variable square(const Variable& x) {
//     Tensor y = …;
//     return record("square", y, {x}, [x_value = x.value(), dx = x.node()](const Tensor& dy) {
//       if (auto out = into(dx)) …  // write 2·x·dy to out.view, or add it where out.accumulate says so
//     });
//   }
//
// backward(loss) walks the graph once, from the loss to the leaves, and frees it on the way.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/core/tensor.h"

namespace tessera {

class GradNode;
using GradNodePtr = std::shared_ptr<GradNode>;
using BackwardFunction = std::function<void(const Tensor& dy)>;
using OnLeaf = std::function<void(const GradNode&)>;

class Variable {
 public:
  Variable() = default;
  // `rounded`, where there is one, holds the same numbers in bf16.
  Variable(Tensor value, GradNodePtr node = nullptr, Tensor rounded = {})
      : value_(std::move(value)), node_(std::move(node)), rounded_(std::move(rounded)) {}

  // A leaf whose gradient is wanted; it is gathered in memory of its own.
  static Variable leaf(Tensor value);

  const Tensor& value() const { return value_; }
  // The value as an operand beside activations of another type (filters in float32, images in bf16): the rounded copy that
  // its owner keeps, or one made now.
  Tensor as(DType type) const;
  const Shape& shape() const { return value_.shape(); }
  const GradNodePtr& node() const { return node_; }
  bool requires_grad() const { return node_ != nullptr; }
  explicit operator bool() const { return static_cast<bool>(value_); }
  Tensor grad() const;  // no tensor where no gradient has arrived
  // Has the gradient of what an op made stay after backward(), for grad(). A leaf's stays in any case.
  void retain_grad() const;

 private:
  Tensor value_;
  GradNodePtr node_;
  Tensor rounded_;
};

// The gradient of one value: gathered from every op that used the value, then handed to the op that made it.
class GradNode {
 public:
  // A leaf. With `home`, its gradient is written there (a slice of a flat buffer), else to memory allocated on demand.
  GradNode(const Tensor& value, Tensor home = {});
  // The output of an op.
  GradNode(const char* op, const Tensor& value, std::vector<GradNodePtr> inputs, BackwardFunction backward);
  ~GradNode();

  // Where the next user of the value writes its share: the first overwrites, the others accumulate.
  kernels::Gradient sink();
  // A share that exists already as a tensor; the first is taken over without a copy.
  void pass(const Tensor& share);

  bool filled() const { return filled_; }  // has any share arrived since the last clear?
  const Tensor& grad() const { return grad_; }
  void clear();
  void retain() { retained_ = true; }

 private:
  friend void backward(const Variable& loss, Tensor seed, const OnLeaf& on_leaf);

  const char* op_ = "leaf";
  std::shared_ptr<Device> device_;
  Shape shape_;
  DType dtype_;
  Tensor home_, grad_;
  bool filled_ = false;
  bool consumed_ = false;  // its op's backward has run: the graph behind it is gone
  bool borrowed_ = false;  // grad_ is somebody else's tensor: do not write to it
  bool retained_ = false;  // grad_ stays behind the op's backward
  std::vector<GradNodePtr> inputs_;
  BackwardFunction backward_;
  GradNodePtr next_dead_;  // while a graph is being destroyed
};

// Where a gradient function writes the gradient of an input; empty if it is not wanted.
inline kernels::Gradient into(const GradNodePtr& node) { return node ? node->sink() : kernels::Gradient{}; }

// The result of an op: `value` alone if no input requires a gradient, else with a node that remembers the op.
Variable record(const char* op, Tensor value, std::initializer_list<Variable> inputs, BackwardFunction backward);

// Fills the gradients of all leaves that `loss` (one element) depends on: d loss / d leaf, added to what is there unless
// it was cleared. The graph is consumed; using any of it again is an Error. `seed`: one element on the loss's device that
// holds 1; a training loop keeps one, so that a step uploads nothing. `on_leaf` is told of each leaf when nothing more will be
// added to its gradient, while the pass goes on.
void backward(const Variable& loss, Tensor seed = {}, const OnLeaf& on_leaf = {});

}  // namespace tessera

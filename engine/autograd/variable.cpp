#include "engine/autograd/variable.h"

#include <algorithm>
#include <unordered_set>
#include <utility>

namespace tessera {

Variable Variable::leaf(Tensor value) {
  auto node = std::make_shared<GradNode>(value);
  return {std::move(value), std::move(node)};
}

Tensor Variable::as(DType type) const {
  if (!value_ || value_.dtype() == type) return value_;
  if (rounded_ && rounded_.dtype() == type) return rounded_;
  Tensor converted = Tensor::empty(value_.device(), value_.shape(), type);
  value_.on().run(&Backend::convert, value_, {converted, false});
  return converted;
}

Tensor Variable::grad() const { return node_ && node_->filled() ? node_->grad() : Tensor{}; }

GradNode::GradNode(const Tensor& value, Tensor home)
    : device_(value.device()), shape_(value.shape()), dtype_(value.dtype()), home_(std::move(home)) {}

GradNode::GradNode(const char* op, const Tensor& value, std::vector<GradNodePtr> inputs, BackwardFunction backward)
    : op_(op),
      device_(value.device()),
      shape_(value.shape()),
      dtype_(value.dtype()),
      inputs_(std::move(inputs)),
      backward_(std::move(backward)) {}

// A long chain of nodes would otherwise be destroyed by recursion as deep as the network. Those that nobody else holds are
// strung together by a pointer of their own: a destructor must not need memory.
GradNode::~GradNode() {
  GradNodePtr dead;
  const auto bury = [&dead](GradNode& node) {
    node.backward_ = nullptr;  // what it captured is held by inputs_ too, and so is not destroyed here
    for (GradNodePtr& input : node.inputs_) {
      GradNodePtr last = std::move(input);
      if (last.use_count() == 1) last->next_dead_ = std::exchange(dead, last);
    }
    node.inputs_.clear();
  };
  bury(*this);
  while (dead) {
    const GradNodePtr node = std::exchange(dead, GradNodePtr());
    dead = std::move(node->next_dead_);
    bury(*node);
  }
}

void Variable::retain_grad() const {
  if (node_) node_->retain();
}

kernels::Gradient GradNode::sink() {
  if (filled_) {
    if (borrowed_) {  // somebody else's: continue in a copy
      Tensor copy = Tensor::empty(device_, shape_, dtype_);
      device_->run(&Backend::scale, 1.0, {}, grad_, {copy, false});
      grad_ = copy;
      borrowed_ = false;
    }
    return {grad_, true};
  }
  grad_ = home_ ? home_ : Tensor::empty(device_, shape_, dtype_);
  filled_ = true;
  borrowed_ = false;
  return {grad_, false};
}

void GradNode::pass(const Tensor& share) {
  if (!filled_ && !home_) {
    grad_ = share.reshape(shape_);
    filled_ = borrowed_ = true;
    return;
  }
  if (filled_ && borrowed_) {  // both are somebody else's: their sum is ours
    Tensor sum = Tensor::empty(device_, shape_, dtype_);
    device_->run(&Backend::arithmetic, kernels::Arithmetic::add, grad_, share.reshape(shape_), {sum, false});
    grad_ = sum;
    borrowed_ = false;
    return;
  }
  const kernels::Gradient out = sink();
  device_->run(&Backend::scale, 1.0, {}, share.reshape(shape_), out);
}

void GradNode::clear() {
  grad_ = {};
  filled_ = borrowed_ = false;
}

Variable record(const char* op, Tensor value, std::initializer_list<Variable> inputs, BackwardFunction backward) {
  std::vector<GradNodePtr> nodes;
  for (const Variable& input : inputs)
    if (input.node()) nodes.push_back(input.node());
  if (nodes.empty()) return {std::move(value)};
  auto node = std::make_shared<GradNode>(op, value, std::move(nodes), std::move(backward));
  return {std::move(value), std::move(node)};
}

void backward(const Variable& loss, Tensor seed, const OnLeaf& on_leaf) {
  if (!loss.node()) throw Error(ExitCode::failure, "[backward] nothing that the loss depends on requires a gradient");
  if (loss.value().count() != 1)
    throw ShapeError("[backward] the loss must be one element, it is " + to_string(loss.shape()));

  // Users before makers: reverse postorder of a depth-first search, without recursion.
  std::vector<GradNodePtr> order;
  std::unordered_set<const GradNode*> seen{loss.node().get()};
  std::vector<std::pair<GradNodePtr, std::size_t>> stack{{loss.node(), 0}};
  while (!stack.empty()) {
    auto& [node, next] = stack.back();
    if (node->consumed_)
      throw Error(ExitCode::failure, std::string("[backward] the graph at '") + node->op_ +
                                         "' was consumed by an earlier backward pass: run the forward pass again");
    if (next < node->inputs_.size()) {
      const GradNodePtr input = node->inputs_[next++];
      if (seen.insert(input.get()).second) stack.emplace_back(input, 0);
    } else {
      order.push_back(std::move(node));
      stack.pop_back();
    }
  }

  if (!seed) {
    seed = loss.value().like();
    if (seed.dtype() == DType::f64)
      seed.copy_from(std::span<const double>(std::vector<double>{1.0}));
    else
      seed.copy_from(std::span<const float>(std::vector<float>{1.0f}));
  }
  loss.node()->pass(seed);

  while (!order.empty()) {
    const GradNodePtr node = std::move(order.back());
    order.pop_back();
    if (!node->backward_) {  // a leaf keeps its gradient; all who used it have come before it
      if (on_leaf) on_leaf(*node);
      continue;
    }
    if (node->filled_) node->backward_(node->grad_);
    node->backward_ = nullptr;  // frees what it captured
    node->consumed_ = true;
    node->inputs_.clear();
    if (!node->retained_) node->clear();
  }
}

}  // namespace tessera

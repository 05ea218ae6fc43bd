#include "engine/nn/network.h"

#include <map>

#include "engine/ops/elementwise.h"
#include "engine/ops/loss.h"

namespace tessera {
namespace {

struct LastOwner : Visitor {
  void on_module(const std::string& path, Module& module) override { modules[path] = &module; }
  void on_parameter(const std::string& path, Parameter& parameter) override {
    const auto found = modules.find(path.substr(0, path.find_last_of('.')));
    if (parameter && found != modules.end()) owner = found->second;
  }
  std::map<std::string, Module*> modules;
  Module* owner = nullptr;
};

struct FirstParameter : Visitor {
  void on_parameter(const std::string&, Parameter& parameter) override {
    if (!found && parameter) found = &parameter;
  }
  const Parameter* found = nullptr;
};

}  // namespace

namespace {

// Of one label a sample: the image's own, or the other one of a mixed image.
Variable cross_entropy(const Context& context, const Variable& logits, const Tensor& labels, bool other) {
  Tensor weights;
  if (context.class_weights || context.label_share) {
    weights = Tensor::empty(logits.value().device(), labels.shape(), logits.value().dtype());
    weights.on().run(&Backend::label_weights, other, context.class_weights, context.label_share, labels, weights);
  }
  return logits.shape().last() == 1 ? sigmoid_cross_entropy(logits, labels, context.label_smoothing, weights)
                                    : softmax_cross_entropy(logits, labels, context.label_smoothing, weights);
}

}  // namespace

Variable Network::loss(const Context& context, const Variable& logits, const Tensor& labels) {
  const Variable own = cross_entropy(context, logits, labels, false);
  return context.other_labels ? add(own, cross_entropy(context, logits, context.other_labels, true)) : own;
}

Module& Network::head() {
  LastOwner last;
  visit(last);
  if (!last.owner) throw Error(ExitCode::failure, "the network has no layer with parameters, so it has no head");
  return *last.owner;
}

std::int64_t Network::outputs() {
  FirstParameter first;
  head().visit(first);
  return first.found->shape()[0];
}

}  // namespace tessera

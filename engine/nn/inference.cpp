#include "engine/nn/inference.h"

#include <algorithm>
#include <cstring>

#include "engine/ops/elementwise.h"

namespace tessera {
namespace {

// All tensors that a network owns, its parameters in the type too in which they meet activations.
std::vector<Tensor> constants_of(Network& network) {
  struct Owned : Visitor {
    void on_parameter(const std::string&, Parameter& parameter) override {
      if (!parameter) return;
      tensors.push_back(parameter.value());
      const DType type = parameter.value().on().activation_type();
      if (type != parameter.value().dtype()) tensors.push_back(parameter.in({}).as(type));
    }
    void on_buffer(const std::string&, Buffer& buffer) override { tensors.push_back(buffer.value()); }
    std::vector<Tensor> tensors;
  } owned;
  network.visit(owned);
  return owned.tensors;
}

}  // namespace

Tensor Inference::forward(const Tensor& x) { return convert(network_.forward({}, Variable(x)), DType::f32).value(); }

Inference::Prepared& Inference::prepared_for(const Tensor& x) {
  const auto at = std::ranges::find_if(
      prepared_, [&](const Prepared& p) { return p.x.shape() == x.shape() && p.x.dtype() == x.dtype(); });
  if (at != prepared_.end()) {
    prepared_.splice(prepared_.begin(), prepared_, at);
    return prepared_.front();
  }
  if (prepared_.size() == most_shapes) prepared_.pop_back();
  Prepared prepared{.x = x.like(), .outputs = {}, .calls = {}};
  prepared.calls = CallList::note(x.device(), weights_, constants_of(network_), prepared.x,
                                  [&] { prepared.outputs = forward(prepared.x); });
  return prepared_.emplace_front(std::move(prepared));
}

Tensor Inference::operator()(const Tensor& x) {
  if (!CallList::useful(x.on())) return forward(x);
  Prepared& prepared = prepared_for(x);
  if (!prepared.calls) return forward(x);
  std::memcpy(prepared.x.data(), x.data(), x.bytes());
  prepared.calls->run();
  return prepared.outputs;
}

}  // namespace tessera

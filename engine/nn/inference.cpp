#include "engine/nn/inference.h"

#include <algorithm>
#include <cstring>

#include "engine/ops/elementwise.h"
#include "kernels/errors.h"

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

// The same products by where their weights lie.
Int8Products products_of(Network& network, const Quantization& quantization) {
  struct Finder : Visitor {
    explicit Finder(const Quantization& all) : sought(all) {}
    void on_parameter(const std::string& path, Parameter& parameter) override {
      const auto at = sought.find(path);
      if (at != sought.end() && parameter) found.emplace(parameter.value().data(), at->second);
    }
    const Quantization& sought;
    Int8Products found = {};
  } finder(quantization);
  network.visit(finder);
  if (finder.found.size() != quantization.size())
    throw Error(ExitCode::weights, "int8: the network has " + std::to_string(finder.found.size()) + " of the " +
                                       std::to_string(quantization.size()) + " weights that are to be met in eight bits");
  return finder.found;
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
  const Int8Products int8 = products_of(network_, quantization_);
  prepared.calls = CallList::note(
      x.device(), weights_, constants_of(network_), prepared.x, [&] { prepared.outputs = forward(prepared.x); }, int8);
  if (!prepared.calls && !int8.empty())
    throw Error(ExitCode::failure, "int8: a pass of this network is more than its kernels, and cannot be prepared");
  return prepared_.emplace_front(std::move(prepared));
}

Tensor Inference::operator()(const Tensor& x) {
  if (!CallList::useful(x.on())) {
    if (!quantization_.empty())
      throw kernels::DeviceError("int8 weights are computed on the CPU, not on device '" + x.on().name() + "'");
    return forward(x);
  }
  Prepared& prepared = prepared_for(x);
  if (!prepared.calls) return forward(x);
  std::memcpy(prepared.x.data(), x.data(), x.bytes());
  prepared.calls->run();
  return prepared.outputs;
}

}  // namespace tessera

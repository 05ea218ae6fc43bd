#include "engine/run/head.h"

#include <algorithm>

namespace tessera {

std::vector<std::string> head_parameters(Network& network) {
  struct Collector : Visitor {
    void on_parameter(const std::string& path, Parameter& parameter) override {
      if (parameter && path.starts_with(prefix)) names.push_back(path);
    }
    std::string prefix;
    std::vector<std::string> names;
  } collector;
  collector.prefix = network.head().path() + ".";
  network.visit(collector);
  return std::move(collector.names);
}

std::vector<Parameter*> head_of(Network& network, const ParameterStore& parameters) {
  const std::vector<std::string> names = head_parameters(network);
  std::vector<Parameter*> head;
  for (Parameter* parameter : parameters.parameters())
    if (std::find(names.begin(), names.end(), parameter->path()) != names.end()) head.push_back(parameter);
  return head;
}

void initialize_head(std::span<Parameter* const> head, std::uint64_t seed) {
  for (const Parameter* parameter : head) {
    const Shape& shape = parameter->shape();
    const bool weight = shape.rank >= 2;  // [out,in] of a linear layer, [K,R,S,C] of a convolution
    const double inputs = weight ? static_cast<double>(shape.count() / shape[0]) : 0;
    const double window = shape.rank == 4 ? static_cast<double>(shape[1] * shape[2]) : 1;
    const Fan fan{inputs, window * static_cast<double>(shape[0])};
    const std::vector<float> values = initial_values(weight ? Init::glorot_uniform : Init::zeros, fan, parameter->shape(),
                                                     RandomStream(seed, Purpose::weights, stream_of(parameter->path())));
    parameter->value().copy_from(std::span<const float>(values));
  }
}

}  // namespace tessera

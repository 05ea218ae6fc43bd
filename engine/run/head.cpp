#include "engine/run/head.h"

#include "engine/core/error.h"
#include "engine/run/model_table.h"

namespace tessera {

std::vector<Parameter*> head_of(Network& network, const ParameterStore& parameters) {
  const ModelTable table = model_table(network, parameters);
  std::string path;
  for (const LayerRow& layer : table.layers)
    if (layer.kind == "linear") path = layer.path;
  std::vector<Parameter*> head;
  for (Parameter* parameter : parameters.parameters())
    if (!path.empty() && parameter->path().starts_with(path + ".")) head.push_back(parameter);
  if (head.empty() || head.front()->shape()[0] != network.outputs())
    throw Error(ExitCode::failure, "the network does not end in a linear layer: there is no head to replace");
  return head;
}

void initialize_head(std::span<Parameter* const> head, std::uint64_t seed) {
  for (const Parameter* parameter : head) {
    const Shape& shape = parameter->shape();
    const bool weight = shape.rank == 2;
    const Fan fan{weight ? static_cast<double>(shape[1]) : 0, static_cast<double>(shape[0])};
    const std::vector<float> values = initial_values(weight ? Init::glorot_uniform : Init::zeros, fan, parameter->count(),
                                                     RandomStream(seed, Purpose::weights, stream_of(parameter->path())));
    parameter->value().copy_from(std::span<const float>(values));
  }
}

}  // namespace tessera

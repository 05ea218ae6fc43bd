#include "engine/run/model_table.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "engine/report/text.h"

namespace tessera {
namespace {

// What a layer owns itself: parameters and buffers of its own, with their sub-modules'.
struct Counter : Visitor {
  void on_parameter(const std::string&, Parameter& parameter) override { count += parameter ? parameter.count() : 0; }
  void on_buffer(const std::string&, Buffer& buffer) override { count += buffer.count(); }
  std::int64_t count = 0;
};

struct Recorder : LayerObserver {
  explicit Recorder(ModelTable& t) : table(t) {}
  void on_layer(const Module& layer, const char* kind, const Variable& output, double flops) override {
    Counter counter;
    const_cast<Module&>(layer).visit(counter);  // visiting changes nothing of a leaf layer
    Shape one;
    for (int i = 1; i < output.shape().rank; ++i) one[one.rank++] = output.shape()[i];
    table.layers.push_back({layer.path(), kind, one, counter.count, flops});
    table.flops += flops;
    table.activation_bytes += one.count() * static_cast<std::int64_t>(sizeof(float));
  }
  ModelTable& table;
};

// C×H×W, as the tutorials and the files have it.
std::string chw(const Shape& s) {
  if (s.rank == 3) return std::to_string(s[2]) + "×" + std::to_string(s[0]) + "×" + std::to_string(s[1]);
  return std::to_string(s.count());
}

}  // namespace

ModelTable model_table(Network& network, const ParameterStore& parameters) {
  ModelTable table;
  table.trainable = parameters.trainable_count();
  table.non_trainable = parameters.non_trainable_count();
  Recorder recorder(table);
  const Context context{.observer = &recorder};
  const Shape one = network.input();
  network.forward(context, Tensor::zeros(parameters.device(), {1, one[0], one[1], one[2]}, DType::f32));
  return table;
}

std::string ModelTable::text() const {
  std::vector<std::vector<std::string>> rows{{"layer", "kind", "output C×H×W", "parameters", "FLOP"}, {}};
  for (const LayerRow& layer : layers)
    rows.push_back({layer.path, layer.kind, chw(layer.output), layer.parameters ? with_thousands(layer.parameters) : "",
                    layer.flops > 0 ? format_flops(layer.flops) : ""});
  rows.push_back({});
  return format_table(rows, "llrrr") + "Total params: " + with_thousands(total()) + "\n" +
         "Trainable params: " + with_thousands(trainable) + "\n" + "Non-trainable params: " + with_thousands(non_trainable) +
         "\n" + "Forward pass: " + format_flops(flops) + " an image\n" +
         "Activations: " + format_bytes(static_cast<std::size_t>(activation_bytes)) + " an image\n";
}

std::string ModelTable::json() const {
  using Json = nlohmann::ordered_json;
  Json rows = Json::array();
  for (const LayerRow& layer : layers)
    rows.push_back({{"path", layer.path},
                    {"kind", layer.kind},
                    {"output", std::vector<std::int64_t>(layer.output.extent, layer.output.extent + layer.output.rank)},
                    {"parameters", layer.parameters},
                    {"flop", layer.flops}});
  return Json{{"layers", rows},
              {"total_params", total()},
              {"trainable_params", trainable},
              {"non_trainable_params", non_trainable},
              {"flop", flops},
              {"activation_bytes", activation_bytes}}
      .dump();
}

}  // namespace tessera

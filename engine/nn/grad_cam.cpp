#include "engine/nn/grad_cam.h"

#include <algorithm>
#include <cmath>

#include "engine/nn/layers.h"
#include "engine/ops/arithmetic.h"

namespace tessera {
namespace {

constexpr std::int64_t telling_side = 4;  // cells, that places can be told apart by

struct Maps {
  std::string layer;
  Variable value;
  std::int64_t side() const { return std::min(value.shape()[1], value.shape()[2]); }
};

struct MapsOfLayers : LayerObserver {
  void on_layer(const Module& layer, const char*, const Variable& output, double) override {
    const bool thins = dynamic_cast<const MaxPool*>(&layer) || dynamic_cast<const AveragePool*>(&layer) ||
                       dynamic_cast<const Dropout*>(&layer);
    if (output.shape().rank == 4 && output.requires_grad() && !thins) found.push_back({layer.path(), output});
  }
  std::vector<Maps> found;
};

const Maps& choose(const std::vector<Maps>& found, const std::string& layer) {
  if (found.empty()) throw UsageError("this network makes no maps: there are no places to be told apart");
  // A layer that is run several times is asked for what it made last.
  const auto last = [&](const auto& fits) { return std::find_if(found.rbegin(), found.rend(), fits); };
  if (!layer.empty()) {
    const auto named = last([&](const Maps& maps) { return maps.layer == layer; });
    if (named != found.rend()) return *named;
    std::string paths;
    for (const Maps& maps : found) paths += (paths.empty() ? "" : ", ") + maps.layer;
    throw UsageError("layer " + layer + " makes no maps; those that do: " + paths);
  }
  std::int64_t largest = 0;
  for (const Maps& maps : found) largest = std::max(largest, maps.side());
  return *last([&](const Maps& maps) { return maps.side() >= std::min(largest, telling_side); });
}

// y of each class, added up over the images: their gradients do not mix, since in evaluation no image sees another.
Variable outputs_of(const Variable& logits, std::span<const std::int32_t> classes) {
  const std::int64_t images = logits.shape()[0], outputs = logits.shape()[1];
  if (static_cast<std::int64_t>(classes.size()) != images)
    throw ShapeError("[grad_cam] " + std::to_string(classes.size()) + " classes for " + std::to_string(images) + " images");
  std::vector<double> share(static_cast<std::size_t>(logits.value().count()));
  for (std::size_t i = 0; i < classes.size(); ++i) {
    if (classes[i] < 0 || classes[i] >= (outputs == 1 ? 2 : outputs))
      throw ShapeError("[grad_cam] class " + std::to_string(classes[i]) + " of " + std::to_string(outputs) + " outputs");
    if (outputs == 1)
      share[i] = classes[i] == 1 ? 1 : -1;
    else
      share[i * static_cast<std::size_t>(outputs) + static_cast<std::size_t>(classes[i])] = 1;
  }
  const Tensor mask = logits.value().like();
  if (mask.dtype() == DType::f64)
    mask.copy_from(std::span<const double>(share));
  else
    mask.copy_from(std::span<const float>(std::vector<float>(share.begin(), share.end())));
  return sum(logits * Variable(mask));
}

std::vector<double> to_host(const Tensor& tensor) {
  if (tensor.dtype() == DType::f64) return tensor.to_host<double>();
  const std::vector<float> values = convert(tensor, DType::f32).value().to_host<float>();
  return {values.begin(), values.end()};
}

}  // namespace

ClassMaps grad_cam(Network& network, const Tensor& x, std::span<const std::int32_t> classes, const std::string& layer) {
  MapsOfLayers maps;
  // The image is the only leaf: no gradients of parameters are computed.
  Variable logits = network.forward({.observer = &maps}, Variable::leaf(x));
  if (logits.value().dtype() == DType::bf16) logits = convert(logits, DType::f32);
  const Maps& chosen = choose(maps.found, layer);
  chosen.value.retain_grad();
  backward(outputs_of(logits, classes));

  const Shape& shape = chosen.value.shape();
  const std::int64_t cells = shape[1] * shape[2], channels = shape[3];
  ClassMaps result{.layer = chosen.layer, .rows = shape[1], .columns = shape[2]};
  result.values.resize(static_cast<std::size_t>(shape[0] * cells));
  const Tensor gradient = chosen.value.grad();
  if (!gradient) return result;  // the outputs do not depend on it
  const std::vector<double> values = to_host(chosen.value.value()), slopes = to_host(gradient);
  for (std::int64_t n = 0; n < shape[0]; ++n) {
    std::vector<double> sums(static_cast<std::size_t>(cells));
    for (std::int64_t k = 0; k < channels; ++k) {
      const auto at = [&](std::size_t cell) {
        return (static_cast<std::size_t>(n) * sums.size() + cell) * static_cast<std::size_t>(channels) +
               static_cast<std::size_t>(k);
      };
      double alpha = 0;
      for (std::size_t cell = 0; cell < sums.size(); ++cell) alpha += slopes[at(cell)];
      alpha /= static_cast<double>(cells);
      for (std::size_t cell = 0; cell < sums.size(); ++cell) sums[cell] += alpha * values[at(cell)];
    }
    for (std::size_t cell = 0; cell < sums.size(); ++cell)
      result.values[static_cast<std::size_t>(n) * sums.size() + cell] = static_cast<float>(std::fmax(sums[cell], 0.0));
  }
  return result;
}

}  // namespace tessera

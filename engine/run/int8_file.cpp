#include "engine/run/int8_file.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "engine/core/error.h"
#include "engine/files/floats.h"
#include "engine/files/safetensors.h"
#include "engine/nn/layers.h"
#include "engine/run/weights.h"
#include "kernels/errors.h"

namespace tessera {
namespace {

constexpr const char* key = "quantization";
constexpr std::string_view of_scale = ".scale", of_input = ".input";

template <class T>
Bytes to_bytes(const std::vector<T>& values) {
  const auto bytes = std::as_bytes(std::span(values));
  return {bytes.begin(), bytes.end()};
}

}  // namespace

bool is_int8(const TensorFile& file) { return file.metadata().contains(key); }

Bytes encode_int8(const ParameterStore& parameters, const Quantization& quantization, Metadata metadata) {
  const HostTensors host = host_weights(parameters);
  require_finite(host.entries(), "not writing int8 weights");
  TensorFile file("int8 weights");
  for (const TensorEntry& entry : host.entries()) {
    const auto at = quantization.find(entry.name);
    if (at == quantization.end()) {
      file.add(entry);
      continue;
    }
    const kernels::Int8Product& product = at->second;
    constexpr float most = kernels::int8_most_weight;
    const std::vector<float> values = to_float32(entry, file.where());
    const std::size_t each = values.size() / product.weight_scales.size();
    std::vector<std::int8_t> whole(values.size());
    for (std::size_t i = 0; i < whole.size(); ++i)
      whole[i] =
          static_cast<std::int8_t>(std::clamp(std::nearbyint(values[i] / product.weight_scales[i / each]), -most, most));
    file.add({entry.name, ElementType::i8, entry.shape, file.keep(to_bytes(whole))});
    file.add({entry.name + std::string(of_scale),
              ElementType::f32,
              {entry.shape[0]},
              file.keep(to_bytes(product.weight_scales))});
    const std::vector<float> input{product.input_scale, static_cast<float>(product.zero_point)};
    file.add({entry.name + std::string(of_input), ElementType::f32, {2}, file.keep(to_bytes(input))});
  }
  metadata[key] = "int8";
  return encode_safetensors(file.tensors(), metadata);
}

TensorFile floats_of_int8(const TensorFile& file, Quantization& quantization) {
  if (const std::string& kind = file.metadata().at(key); kind != "int8")
    throw WeightsError(file.where() + ": metadata '" + key + "' is " + printable(kind) + "; this build knows int8");
  TensorFile floats(file.where(), file.names());
  const auto is_whole = [&](const TensorEntry& entry, std::string_view ending) {
    if (!entry.name.ends_with(ending)) return false;
    const TensorEntry* const base = file.find(std::string_view(entry.name).substr(0, entry.name.size() - ending.size()));
    return base && base->dtype == ElementType::i8;
  };
  for (const TensorEntry& entry : file.tensors()) {
    if (is_whole(entry, of_scale) || is_whole(entry, of_input)) continue;
    if (entry.dtype != ElementType::i8) {
      floats.add(entry);
      continue;
    }
    const std::string tensor_at = file.where() + ": tensor " + printable(entry.name);
    kernels::Int8Product product;
    const TensorEntry &scale = file.at(entry.name + std::string(of_scale)),
                      &input = file.at(entry.name + std::string(of_input));
    if (entry.shape.size() < 2 || scale.shape != std::vector{entry.shape[0]} || input.shape != std::vector<std::int64_t>{2})
      throw WeightsError(tensor_at +
                         ": I8 weights need two axes or more, a scale for each of the first and two numbers of "
                         "their input");
    product.weight_scales = to_float32(scale, file.where());
    const std::vector<float> numbers = to_float32(input, file.where());
    product.input_scale = numbers[0];
    product.zero_point =
        numbers[1] >= 0 && numbers[1] <= kernels::int8_most_input ? static_cast<std::int32_t>(numbers[1]) : -1;
    // A scale so small that its inverse is infinite is as bad as zero.
    const auto usable = [](float s) { return s > 0 && std::isfinite(1 / s); };
    if (!std::ranges::all_of(product.weight_scales, usable) || !usable(product.input_scale) ||
        static_cast<float>(product.zero_point) != numbers[1])
      throw WeightsError(tensor_at + ": its scales must be above 0 and its input's zero point a whole number of 0 to 127");
    std::vector<float> values(static_cast<std::size_t>(entry.count()));
    const std::size_t each = values.empty() ? 1 : values.size() / product.weight_scales.size();
    for (std::size_t i = 0; i < values.size(); ++i) {
      const auto q = static_cast<std::int8_t>(entry.bytes[i]);
      if (std::abs(q) > kernels::int8_most_weight) {
        const std::string most = std::to_string(kernels::int8_most_weight);
        throw WeightsError(tensor_at + ": element " + std::to_string(i) + " is " + std::to_string(q) + "; weights are -" +
                           most + " to " + most);
      }
      values[i] = product.weight_scales[i / each] * static_cast<float>(q);
    }
    floats.add({entry.name, ElementType::f32, entry.shape, floats.keep(to_bytes(values))});
    quantization.emplace(entry.name, std::move(product));
  }
  if (quantization.empty())
    throw WeightsError(file.where() + ": metadata '" + key + "' says int8, and none of its tensors is I8");
  return floats;
}

void require_int8_of(Module& network, const TensorFile& file, const Quantization& quantization) {
  struct Weights : Visitor {
    void on_module(const std::string& path, Module& module) override {
      if (const auto* conv = dynamic_cast<const Conv2d*>(&module)) groups[path + ".weight"] = conv->options.groups;
    }
    void on_parameter(const std::string& path, Parameter& parameter) override {
      if (parameter) shapes.emplace(path, parameter.shape());
    }
    std::map<std::string, std::int64_t> groups;
    std::map<std::string, Shape> shapes;
  } weights;
  network.visit(weights);
  for (const auto& [name, _] : quantization) {
    const auto fail = [&, at = name](const char* why) {
      throw WeightsError(file.where() + ": tensor " + printable(at) + " is I8, but " + why);
    };
    const auto found = weights.shapes.find(name);
    if (found == weights.shapes.end()) fail("the network has no weights of that name");
    const Shape& shape = found->second;
    const auto groups = weights.groups.find(name);
    kernels::Conv2dShape product = kernels::dense_as_convolution(1, shape[shape.rank - 1], shape[0]);
    if (shape.rank == 4) product.r = shape[1], product.s = shape[2];
    if (groups != weights.groups.end()) product.groups = groups->second;
    if (!kernels::int8_possible(product))
      fail(product.groups > 1 ? "a convolution in groups has no form in eight bits: it must be F32"
                              : "its sums are too long for eight bits: it must be F32");
  }
}

void require_int8_device(RunConfig& config) {
  if (config.device == "auto") config.device = "cpu";
  if (config.device != "cpu")
    throw kernels::DeviceError("int8 weights are computed on the CPU, not on '" + config.device + "': give --device cpu");
  if (config.recipe.precision != Precision::fp32)
    throw UsageError("int8 weights are computed in eight bits and float32: leave --precision out");
}

}  // namespace tessera

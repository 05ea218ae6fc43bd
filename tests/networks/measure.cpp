#include "tests/networks/measure.h"

#include "tests/networks/generator.h"

namespace tessera::golden {
namespace {

constexpr NetworkTest tests[] = {
    {.id = "baseline",
     .total = 198'506,
     .trainable = 198'494,
     .non_trainable = 12,
     .batch = 8,
     .gradient_tolerance = 3e-3,
     .where = Breadth::and_emulated},
    {.id = "lenet5_sigmoid",
     .total = 62'006,
     .trainable = 62'006,
     .non_trainable = 0,
     .batch = 4,
     .gradient_tolerance = 3e-3,
     .where = Breadth::and_emulated},
    {.id = "lenet5_relu",
     .total = 62'006,
     .trainable = 62'006,
     .non_trainable = 0,
     .batch = 4,
     .gradient_tolerance = 3e-3,
     .where = Breadth::and_emulated},
    {.id = "alexnet8",
     .total = 9'639'178,
     .trainable = 9'638'474,
     .non_trainable = 704,
     .batch = 4,
     .gradient_tolerance = 3e-2,
     .where = Breadth::fast},
    {.id = "vgg16",
     .total = 15'262'026,
     .trainable = 15'253'578,
     .non_trainable = 8'448,
     .batch = 8,
     .gradient_tolerance = 3e-2,
     .where = Breadth::fast},
    {.id = "inception10",
     .total = 121'418,
     .trainable = 120'234,
     .non_trainable = 1'184,
     .batch = 4,
     .gradient_tolerance = 3e-3,
     .where = Breadth::and_reference},
    {.id = "resnet_mini",
     .total = 347'786,
     .trainable = 347'498,
     .non_trainable = 288,
     .batch = 4,
     .gradient_tolerance = 3e-3,
     .where = Breadth::and_reference},
    {.id = "resnet18",
     .total = 11'183'562,
     .trainable = 11'173'962,
     .non_trainable = 9'600,
     .batch = 4,
     .gradient_tolerance = 3e-2,
     .where = Breadth::fast},
    {.id = "resnet18_maxpool",
     .total = 11'184'778,
     .trainable = 11'176'970,
     .non_trainable = 7'808,
     .batch = 4,
     .gradient_tolerance = 3e-2,
     .where = Breadth::fast},
    {.id = "resnet18_imagenet",
     .total = 11'699'112,
     .trainable = 11'689'512,
     .non_trainable = 9'600,
     .batch = 8,
     .gradient_tolerance = 3e-2,
     .where = Breadth::fast},
    {.id = "resnet18_nndl",
     .total = 11'191'306,
     .trainable = 11'181'706,
     .non_trainable = 9'600,
     .batch = 8,
     .gradient_tolerance = 3e-2,
     .where = Breadth::fast},
    {.id = "resnet18_nndl_plain",
     .total = 11'191'306,
     .trainable = 11'181'706,
     .non_trainable = 9'600,
     .batch = 8,
     .gradient_tolerance = 3e-2,
     .where = Breadth::fast,
     .network = "resnet18_nndl",
     .prefix = "resnet18_nndl",
     .residual = false},
    {.id = "resnet34_transfer",
     .total = 21'305'800,
     .trainable = 21'288'776,
     .non_trainable = 17'024,
     .batch = 8,
     .gradient_tolerance = 3e-2,
     .where = Breadth::fast},
    {.id = "resnet34_transfer_binary",
     .total = 21'302'209,
     .trainable = 21'285'185,
     .non_trainable = 17'024,
     .batch = 8,
     .gradient_tolerance = 3e-2,
     .where = Breadth::fast,
     .prefix = "resnet34_transfer"},
    {.id = "mobilenetv2",
     .total = 2'270'794,
     .trainable = 2'236'682,
     .non_trainable = 34'112,
     .batch = 8,
     .gradient_tolerance = 3e-2,
     .where = Breadth::fast},
    {.id = "airbench94",
     .total = 1'975'096,
     .trainable = 1'971'352,
     .non_trainable = 3'744,
     .batch = 8,
     .gradient_tolerance = 1e-2,
     .where = Breadth::and_reference},
};

// Filters are K,R,S,C in memory and O,I,H,W in files: calls visit(index in memory, index in file) for each element.
template <class Visit>
void for_each_element(const Shape& s, Visit&& visit) {
  if (s.rank != 4) {
    for (std::int64_t i = 0; i < s.count(); ++i) visit(static_cast<std::size_t>(i), static_cast<std::size_t>(i));
    return;
  }
  std::size_t memory = 0;
  for (std::int64_t k = 0; k < s[0]; ++k)
    for (std::int64_t y = 0; y < s[1]; ++y)
      for (std::int64_t x = 0; x < s[2]; ++x)
        for (std::int64_t c = 0; c < s[3]; ++c)
          visit(memory++, static_cast<std::size_t>(((k * s[3] + c) * s[1] + y) * s[2] + x));
}

std::vector<std::int64_t> file_shape(const Shape& s) {
  if (s.rank == 4) return {s[0], s[3], s[1], s[2]};
  return {s.extent, s.extent + s.rank};
}

std::vector<double> download(const Tensor& tensor) {
  if (tensor.dtype() == DType::f64) return tensor.to_host<double>();
  const std::vector<float> values = tensor.to_host<float>();
  return {values.begin(), values.end()};
}

void upload(const Tensor& to, const std::vector<float>& values) {
  if (to.dtype() == DType::f64)
    to.copy_from(std::span<const double>(std::vector<double>(values.begin(), values.end())));
  else
    to.copy_from(std::span<const float>(values));
}

}  // namespace

void generate(const std::string& prefix, const std::string& name, const Tensor& to) {
  const std::vector<float> file = generated_tensor(prefix, name, file_shape(to.shape()));
  std::vector<float> memory(file.size());
  for_each_element(to.shape(), [&](std::size_t in_memory, std::size_t in_file) { memory[in_memory] = file[in_file]; });
  upload(to, memory);
}

FileTensor to_file(const Tensor& tensor) {
  const std::vector<double> memory = download(tensor);
  std::vector<double> file(memory.size());
  for_each_element(tensor.shape(), [&](std::size_t in_memory, std::size_t in_file) { file[in_file] = memory[in_memory]; });
  return {file_shape(tensor.shape()), std::move(file)};
}

std::span<const NetworkTest> network_tests() { return tests; }

const NetworkTest& test_of(const NetworkEntry& entry) {
  for (const NetworkTest& test : tests)
    if (entry.id == std::string_view(test.id)) return test;
  throw std::logic_error(std::string("network ") + entry.id + " has no row in tests/networks/measure.cpp");
}

std::unique_ptr<Network> build_network(const NetworkTest& test) {
  const NetworkEntry& entry = require_network(test.network ? test.network : test.id);
  return entry.make(
      {.outputs = {}, .dropout = entry.has_dropout ? std::optional<double>(0.0) : std::nullopt, .residual = test.residual});
}

Measured measure(const NetworkTest& test, const std::shared_ptr<Device>& device, DType dtype) {
  const std::unique_ptr<Network> network = build_network(test);
  const std::string prefix = test.prefix ? test.prefix : test.id;
  const std::int64_t batch = test.batch;
  ParameterStore store(*network, device, 1, dtype);
  for (const Parameter* parameter : store.parameters()) generate(prefix, parameter->path(), parameter->value());
  for (const Buffer* buffer : store.buffers()) generate(prefix, buffer->path(), buffer->value());

  const Tensor images = Tensor::empty(device, {batch, 32, 32, 3}, dtype);
  upload(images, generated_images(prefix, batch));
  Measured measured;
  measured.labels = generated_labels(prefix, batch, network->outputs());
  const Tensor labels = Tensor::from(device, {batch}, std::span<const std::int32_t>(measured.labels));

  measured.logits = download(network->forward(Context{}, images).value());

  const Context training{.training = true, .gradients = true};
  const Variable loss = network->loss(training, network->forward(training, images), labels);
  measured.loss = download(loss.value()).at(0);
  backward(loss);
  for (const Parameter* parameter : store.parameters()) {
    const bool arrived = parameter->node()->filled();
    measured.gradients[parameter->path()] =
        arrived ? to_file(parameter->node()->grad()) : FileTensor{file_shape(parameter->shape()), {}};
  }
  for (const Buffer* buffer : store.buffers()) measured.statistics[buffer->path()] = to_file(buffer->value());
  return measured;
}

}  // namespace tessera::golden

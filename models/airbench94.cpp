// The network of the 94 % on CIFAR-10 in seconds: 1,975,096 parameters (1,971,352 of them trainable).
//
// Filters that whiten patches of 2×2 cells, taken from the data and fixed; three groups of two 3×3 convolutions, each in front
// of a batch norm whose gamma stays 1, with GELU; a linear layer. It is trained by Muon, with SGD for biases and the head,
// and evaluated by the average of six views. Jordan 2024, "94 % on CIFAR-10 in 3.29 seconds on a single GPU" (arXiv
// 2404.00498), and the record with Muon that followed it.
#include "engine/nn/conv_norm.h"
#include "engine/nn/network.h"
#include "engine/nn/state_dict_parts.h"
#include "engine/nn/whitening.h"
#include "engine/ops/arithmetic.h"
#include "models/catalogue.h"

namespace tessera {
namespace {

// PyTorch's form of momentum: 0.6 of the running value stay.
constexpr BatchNorm::Options norm{.epsilon = 1e-12, .momentum = 0.4, .fixed_weight = true};

constexpr InitFamily init{Init::fan_in_uniform_identity, Init::fan_in_uniform, Init::fan_in_uniform_unit,
                          Init::fan_in_uniform};

struct ConvGroup : Module {
  ConvGroup(std::int64_t in, std::int64_t out)
      : conv1(in, out, 3, same), norm1(out, norm), conv2(out, out, 3, same), norm2(out, norm) {}
  void visit(Visitor& v) override {
    v("conv1", conv1), v("pool", pool), v("norm1", norm1), v("conv2", conv2), v("norm2", norm2);
  }
  Variable operator()(const Context& context, const Variable& x) const {
    const Variable y = norm1(context, pool(context, conv1(context, x)), Activation::gelu);
    return conv_norm(context, conv2, norm2, y, Activation::gelu);
  }

  static constexpr Conv2d::Options same{.padding = Padding::all(1), .bias = false, .init = init};
  Conv2d conv1;
  MaxPool pool{{.window = 2, .stride = 2}};
  BatchNorm norm1;
  Conv2d conv2;
  BatchNorm norm2;
};

struct Airbench94 : Network, StateDictNames {
  explicit Airbench94(const NetworkOptions& options)
      : whiten(options.channels, 2 * patch * patch * options.channels, patch, {.activation = Activation::gelu}),
        linear(256, options.outputs.value_or(10), {.bias = false, .init = init}) {
    whiten.weight.fix();
    std::int64_t in = whiten.weight.shape()[0];
    for (const std::int64_t out : {64, 256, 256}) groups.emplace_back(std::exchange(in, out), out);
  }

  void visit(Visitor& v) override {
    v("whiten", whiten), v("groups", groups), v("pool", pool), v("flatten", flatten), v("head", linear);
  }

  // The public record keeps the groups in an nn.Sequential, behind its first GELU.
  std::span<const StateDictPart> state_dict_parts() const override {
    static constexpr StateDictPart parts[] = {{"groups.0", "layers.1"}, {"groups.1", "layers.2"}, {"groups.2", "layers.3"}};
    return parts;
  }

  Variable forward(const Context& context, const Variable& x) override {
    Variable y = whiten(context, x);
    for (const ConvGroup& group : groups) y = group(context, y);
    return (1.0 / 256) * linear(context, flatten(context, pool(context, y)));
  }

  std::int64_t initial_images() const override { return 5000; }
  void initialize(std::span<const float> images, const Shape& shape) override {
    const std::vector<float> filters = whitening_filters(images, shape, patch, 5e-4);
    whiten.weight.value().copy_from(std::span<const float>(filters));
  }

  static constexpr std::int64_t patch = 2;
  Conv2d whiten;
  std::vector<ConvGroup> groups;
  MaxPool pool{{.window = 3, .stride = 3}};
  Flatten flatten;
  Linear linear;
};

}  // namespace

NetworkEntry describe_airbench94() {
  constexpr double batch = 2000, decay = 2e-6 * batch;  // coupled: divided by the rate
  const auto sgd = [](double rate) {
    return Sgd::Options{.learning_rate = rate, .weight_decay = decay / rate, .momentum = 0.85, .nesterov = true};
  };
  return {.id = "airbench94",
          .description = "the network of 94 % on CIFAR-10 in seconds (Jordan 2024)",
          .build = build<Airbench94>,
          .recipe = {.id = "airbench94",
                     .normalization = Normalization::cifar10_true,
                     .validation = Validation::test_set,
                     .batch_size = 2000,
                     .epochs = 8,
                     .optimizer = Muon::Options{.learning_rate = 0.24, .momentum = 0.6},
                     .schedule = LinearDecay{},
                     .groups = {{.pattern = "whiten.bias", .optimizer = sgd(0.053), .epochs = 3},
                                {.pattern = "*.bias", .optimizer = sgd(0.053)},
                                {.pattern = "head.weight", .optimizer = sgd(0.67)}},
                     .label_smoothing = 0.2,
                     .summed_loss = true,
                     .drop_last = true,
                     .test_views = Views::six,
                     .augment = Augmentation::airbench}};
}

}  // namespace tessera

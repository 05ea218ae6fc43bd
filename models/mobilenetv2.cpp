// MobileNetV2 for 32×32 images, with SiLU: 2,236,682 trainable parameters.
//
// Inverted residuals: a 1×1 convolution widens the map sixfold, a depthwise 3×3 one looks around, a 1×1 one narrows it again,
// each with batch norm and the first two with SiLU. The strides of the stem and of the second stage are 1, since images are
// small. After Sandler et al. 2018, with SiLU (Howard et al. 2019 call its cheaper form hard swish) for ReLU6; torchvision's
// names and PyTorch's initialisation.
#include "engine/nn/conv_norm.h"
#include "engine/nn/network.h"
#include "models/catalogue.h"

namespace tessera {
namespace {

// Convolution without bias, batch norm, SiLU. Members are called 0 and 1, as in a sequence.
struct ConvUnit : Module {
  ConvUnit(std::int64_t in, std::int64_t out, std::int64_t kernel, std::int64_t stride = 1, std::int64_t groups = 1)
      : conv(in, out, kernel, {.stride = stride, .padding = Padding::all(kernel / 2), .bias = false, .groups = groups}),
        norm(out) {}
  void visit(Visitor& v) override { v("0", conv), v("1", norm); }
  Variable operator()(const Context& context, const Variable& x) const {
    return conv_norm(context, conv, norm, x, Activation::silu);
  }
  Conv2d conv;
  BatchNorm norm;
};

struct InvertedResidual : Module {
  InvertedResidual(std::int64_t in, std::int64_t out, std::int64_t stride, std::int64_t widening)
      : residual(stride == 1 && in == out),
        widen(widening == 1 ? nullptr : std::make_unique<ConvUnit>(in, widening * in, 1)),
        depthwise(widening * in, widening * in, 3, stride, widening * in),
        narrow(widening * in, out, 1, {.bias = false}),
        norm(out) {}
  void visit(Visitor& v) override {
    const int first = widen ? 1 : 0;
    const auto name = [&](int i) { return "conv." + std::to_string(i); };
    v(name(0), widen), v(name(first), depthwise), v(name(first + 1), narrow), v(name(first + 2), norm);
  }
  Variable operator()(const Context& context, const Variable& x) const {
    const Variable y = depthwise(context, widen ? (*widen)(context, x) : x);
    return conv_norm(context, narrow, norm, y, Activation::none, residual ? x : Variable());
  }
  bool residual;
  std::unique_ptr<ConvUnit> widen;
  ConvUnit depthwise;
  Conv2d narrow;
  BatchNorm norm;
};

struct Stage {
  std::int64_t widening, channels;
  int units;
  std::int64_t stride;  // of its first unit
};
constexpr Stage stages[] = {{1, 16, 1, 1}, {6, 24, 2, 1},  {6, 32, 3, 2}, {6, 64, 4, 2},
                            {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1}};

struct MobileNetV2 : Network {
  explicit MobileNetV2(const NetworkOptions& options)
      : stem(options.channels, 32, 3),
        dropout(options.dropout.value_or(0.2)),
        classifier(1280, options.outputs.value_or(10)) {
    std::int64_t in = 32;
    for (const Stage& stage : stages)
      for (int i = 0; i < stage.units; ++i) {
        units.emplace_back(in, stage.channels, i == 0 ? stage.stride : 1, stage.widening);
        in = stage.channels;
      }
  }

  void visit(Visitor& v) override {
    v("features.0", stem);
    for (std::size_t i = 0; i < units.size(); ++i) v("features." + std::to_string(i + 1), units[i]);
    v("features." + std::to_string(units.size() + 1), last), v("pool", pool);
    v("classifier.0", dropout), v("classifier.1", classifier);
  }

  Variable forward(const Context& context, const Variable& x) override {
    Variable y = stem(context, x);
    for (const InvertedResidual& unit : units) y = unit(context, y);
    return classifier(context, dropout(context, pool(context, last(context, y))));
  }

  ConvUnit stem;
  std::vector<InvertedResidual> units;
  ConvUnit last{320, 1280, 1};
  GlobalAveragePool pool;
  Dropout dropout;
  Linear classifier;
};

}  // namespace

NetworkEntry describe_mobilenetv2() {
  return {.id = "mobilenetv2",
          .description = "MobileNetV2 with SiLU for 32×32 images",
          .build = build<MobileNetV2>,
          .recipe = {.id = "mobilenetv2",
                     .normalization = Normalization::cifar10,
                     .batch_size = 128,
                     .epochs = 30,
                     .optimizer = AdamW::Options{.learning_rate = 2e-3, .weight_decay = 0.05},
                     .schedule = CosineDecay{.warmup = 0.1},
                     .label_smoothing = 0.1,
                     .augment = Augmentation::standard},
          .has_dropout = true,
          .any_image_size = true};
}

}  // namespace tessera

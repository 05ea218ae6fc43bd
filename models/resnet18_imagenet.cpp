// ResNet-18 in its ImageNet layout, with torchvision's names: 11,699,112 parameters (11,689,512 of them trainable).
//
// As in Paddle's model zoo: 7×7 stem and 3×3 pool, both with stride 2 and padded on all sides, Paddle's initialisation, 1000
// outputs. Weights of torchvision's resnet18 load. After He et al. 2015.
#include "engine/nn/conv_norm.h"
#include "engine/nn/network.h"
#include "engine/nn/residual.h"
#include "models/catalogue.h"
#include "models/tutorials.h"

namespace tessera {
namespace {

struct ResNet18ImageNet : Network {
  explicit ResNet18ImageNet(const NetworkOptions& options)
      : conv1(options.channels, 64, 7, {.stride = 2, .padding = Padding::all(3), .bias = false, .init = paddle_init}),
        fc(512, options.outputs.value_or(1000), {.init = paddle_init}) {}

  void visit(Visitor& v) override {
    v("conv1", conv1), v("bn1", bn1), v("pool", pool);
    for (std::size_t i = 0; i < units.size(); ++i)
      v("layer" + std::to_string(i / 2 + 1) + "." + std::to_string(i % 2), units[i]);
    v("average", average), v("fc", fc);
  }

  Variable forward(const Context& context, const Variable& x) override {
    Variable y = pool(context, conv_norm(context, conv1, bn1, x, Activation::relu));
    for (const ResidualUnit& unit : units) y = unit(context, y);
    return fc(context, average(context, y));
  }

  Conv2d conv1;
  BatchNorm bn1{64};
  MaxPool pool{{.window = 3, .stride = 2, .padding = Padding::all(1)}};
  std::vector<ResidualUnit> units = residual_stages({2, 2, 2, 2}, {.padding = Padding::all(1), .init = paddle_init});
  GlobalAveragePool average;
  Linear fc;
};

}  // namespace

NetworkEntry describe_resnet18_imagenet() {
  return {.id = "resnet18_imagenet",
          .description = "ResNet-18 in its ImageNet layout (Paddle's API)",
          .build = build<ResNet18ImageNet>,
          .recipe = paddle_resnet_recipe("R004-api"),
          .any_image_size = true};
}

}  // namespace tessera

// ResNet-18 as built by hand in a Paddle course: 11,191,306 parameters (11,181,706 of them trainable).
//
// Like resnet18_imagenet, but with a bias in the stem, 10 outputs, names of nested sequences, and a switch for the residual
// adds. Without them the shortcuts still exist: counted and saved, never executed, never updated. After He et al. 2015.
#include "engine/nn/conv_norm.h"
#include "engine/nn/network.h"
#include "engine/nn/residual.h"
#include "models/catalogue.h"
#include "models/tutorials.h"

namespace tessera {
namespace {

struct ResNet18Nndl : Network {
  explicit ResNet18Nndl(const NetworkOptions& options)
      : conv(options.channels, 64, 7, {.stride = 2, .padding = Padding::all(3), .init = paddle_init}),
        units(residual_stages({2, 2, 2, 2}, {.residual = options.residual,
                                             .padding = Padding::all(1),
                                             .init = paddle_init,
                                             .names = {.shortcut_conv = "shortcut", .shortcut_norm = "bn3"}})),
        linear(512, options.outputs.value_or(10), {.init = paddle_init}) {}

  void visit(Visitor& v) override {
    v("net.0.0", conv), v("net.0.1", bn), v("pool", pool);
    for (std::size_t i = 0; i < units.size(); ++i)
      v("net." + std::to_string(i / 2 + 1) + "." + std::to_string(i % 2), units[i]);
    v("average", average), v("net.7", linear);
  }

  Variable forward(const Context& context, const Variable& x) override {
    Variable y = pool(context, conv_norm(context, conv, bn, x, Activation::relu));
    for (const ResidualUnit& unit : units) y = unit(context, y);
    return linear(context, average(context, y));
  }

  Conv2d conv;
  BatchNorm bn{64};
  MaxPool pool{{.window = 3, .stride = 2, .padding = Padding::all(1)}};
  std::vector<ResidualUnit> units;
  GlobalAveragePool average;
  Linear linear;
};

}  // namespace

NetworkEntry describe_resnet18_nndl() {
  return {.id = "resnet18_nndl",
          .description = "ResNet-18 built by hand (Paddle)",
          .build = build<ResNet18Nndl>,
          .recipe = paddle_resnet_recipe("R004-custom"),
          .has_residual_option = true,
          .any_image_size = true};
}

}  // namespace tessera
